"""Write a first study, and the files that it names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tuner.engines import memory
from tuner.engines.first_study import Machine
from tuner.machine.counters import usable_cpus
from tuner.machine.gpus import has_gpu
from tuner.spec.errors import InputError
from tuner.workflow.start.sources import Asked, read
from tuner.workflow.start.starter import PROMPTS, Starter, starter

FILE = "tune.yaml"


@dataclass(frozen=True, slots=True)
class Started:
    """What `init` did: the study's text, and which files were written or left as they were."""

    study: str
    written: tuple[Path, ...] = ()
    kept: tuple[Path, ...] = ()
    missing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def init(asked: Asked, out: Path | None, *, force: bool = False) -> Started:
    """Write a study into `out` and the files that it names beside it; None writes nothing.

    Prompts that are there already are kept; any other file is replaced only with `force`.
    Raises InputError for what cannot be read, used or written, EngineMissing where the
    packaged model is asked for and not there.
    """
    origin = read(asked, out.parent if out else Path())
    made = starter(origin, machine(), out.name if out else FILE)
    if out is None:
        return Started(made.study, missing=tuple(made.files), notes=made.notes)
    return _write(made, out, force)


def machine() -> Machine:
    """Return the cores and the memory that an engine started here may use."""
    free = memory.room()
    return Machine(len(usable_cpus()), free.bytes, has_gpu(), free.bound)


def _write(made: Starter, out: Path, force: bool) -> Started:
    beside = {out.parent / name: text for name, text in made.files.items()}
    kept = tuple(p for p, text in beside.items() if _stays(p, text))
    texts = {p: text for p, text in {**beside, out: made.study}.items() if p not in kept}
    _ensure_free(out, beside, texts, force)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        for path, text in texts.items():
            path.write_text(text, encoding="utf-8", newline="")
    except (OSError, UnicodeEncodeError) as error:
        raise InputError(f"cannot write {out}: {error}; name another file with --out") from None
    return Started(made.study, tuple(reversed(texts)), kept, notes=made.notes)


def _stays(path: Path, text: str) -> bool:
    """Tell whether a file beside the study is left alone: the user's prompts, or the same text."""
    if not path.is_file():
        return False
    return path.name == PROMPTS or path.read_bytes() == text.encode()


def _ensure_free(out: Path, beside: dict[Path, str], texts: dict[Path, str], force: bool) -> None:
    if out in beside:
        raise InputError(f"{out} is what the study's own {out.name} is called; name another --out")
    if out.is_dir():
        raise InputError(f"{out} is a folder; name a file with --out, such as {out / FILE}")
    for path in reversed(texts):
        if path.exists() and not force:
            raise InputError(
                f"{path} is there already and is not overwritten; name another --out, or "
                "say --force"
            )
