"""Write what is made of a recording: whole or not at all, over nothing that is not meant."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from tuner.spec.errors import InputError, OutputError


def ensure_free(out: Path, recording: Path, *, force: bool) -> None:
    """Raise InputError where `out` is the recording itself, or there without `force`."""
    if out.exists() and recording.exists() and out.samefile(recording):
        raise InputError(f"{out} is the recording itself; name another --out")
    if out.exists() and not (force and out.is_file()):
        raise InputError(
            f"{out} is there already and is not overwritten; name another --out, or say --force"
        )


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[TextIO]:
    """Give a file to write that takes the place of `path` once it is whole; raise OutputError."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("w", encoding="utf-8", newline="\n") as file:
            yield file
        partial.replace(path)
    except OSError as error:
        raise OutputError(
            f"cannot write {path}: {error.strerror}; make room, or name another --out"
        ) from None
    finally:
        if partial.exists():
            partial.unlink()
