"""Samples as JSON lines: the one source from which every number can be computed again."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, fields
from pathlib import Path

from tuner.spec.errors import InputError
from tuner.spec.values import Sample

_FIELDS = {f.name for f in fields(Sample)}


def to_line(sample: Sample) -> str:
    """Return a sample as one line of JSON."""
    return json.dumps(asdict(sample), ensure_ascii=False)


def from_line(line: str) -> Sample:
    """Read a sample back; fields that a newer version wrote are ignored. Raises ValueError."""
    document = json.loads(line)
    if not isinstance(document, dict):
        raise ValueError(f"expected a JSON object, found {type(document).__name__}")
    found = {k: v for k, v in document.items() if k in _FIELDS}
    return Sample(**found | {"unknown_fields": tuple(found.get("unknown_fields", ()))})


def write(path: Path, samples: Iterable[Sample]) -> None:
    """Write samples to `path`, one a line."""
    text = "".join(to_line(s) + "\n" for s in samples)
    # half of a surrogate pair, as a server may send it, stays an escape
    path.write_text(text, encoding="utf-8", errors="backslashreplace")


def read(path: Path) -> tuple[Sample, ...]:
    """Read all samples of a file; raise InputError where a line is not one."""
    samples = []
    # not splitlines(): it also splits at U+0085 and U+2028, which JSON keeps inside strings
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), start=1):
        if not line:
            continue
        try:
            samples.append(from_line(line))
        except (ValueError, TypeError) as broken:
            raise InputError(f"{path}:{number}: not a sample ({broken})") from broken
    return tuple(samples)
