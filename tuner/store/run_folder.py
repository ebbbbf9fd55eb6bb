"""The output folder of a run: one process holds it, and no file in it is ever half written."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from tuner.machine.system import ensure_can_measure
from tuner.spec.differences import differences, short
from tuner.spec.errors import InputError, Locked, NotComparable, OutputError
from tuner.spec.identity import digest

RUN_FILE = "run.json"
ROUNDS = "rounds"
RUN_SCHEMA = "tuner.run/2"
"""Since version 2 `declared` holds what a study says of its engine and its load."""


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn a failure to write below `path` into an OutputError that says how to go on."""
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"cannot write {path}: {error.strerror or error}; make room, or move away what is in "
            "its place, and do it again (finished trials are kept: `tune run --resume` goes on)"
        ) from error


def write_json(path: Path, document: Any) -> None:
    """Write a JSON document through a temporary file, so that a reader never sees half of it."""
    partial = path.with_name(f".{path.name}.partial")
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    with writing(path):
        # half of a surrogate pair, as a server or a file's name may have it, stays an escape
        partial.write_text(text + "\n", encoding="utf-8", errors="backslashreplace")
        partial.replace(path)


def write_files(folder: Path, files: Mapping[str, str]) -> dict[str, Path]:
    """Write artifacts into a folder, scripts as executable; return the path of each."""
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
        if name.endswith(".sh"):
            (folder / name).chmod(0o755)
    return {name: folder / name for name in files}


@contextlib.contextmanager
def claimed(out: Path, *, resume: bool = False) -> Iterator[Path]:
    """Hold the output folder for this process alone; make it where it is missing.

    Claim it before the engine is created, which may put files there. An empty `trials` folder is
    removed at the end. Raises Locked while another process holds it. Raises InputError where it
    cannot be written, where it holds a run and `resume` is false, and where it holds none and
    `resume` is true.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock = (out / ".lock").open("w")
    except OSError as error:
        raise _no_folder(out, error) from None
    with lock:
        take(lock, _in_use(out))
        _check_use(out, resume)
        try:
            (out / "trials").mkdir(exist_ok=True)
            (out / "engine").mkdir(exist_ok=True)
        except OSError as error:
            raise _no_folder(out, error) from None
        try:
            yield out
        finally:
            with contextlib.suppress(OSError):  # it holds trials
                (out / "trials").rmdir()


def ensure_free(out: Path, *, resume: bool = False) -> None:
    """Raise as `claimed` does for a folder that is in use or was used; nothing is written."""
    if is_taken(out / ".lock"):
        raise Locked(_in_use(out))
    _check_use(out, resume)


def _in_use(out: Path) -> str:
    return f"{out} is in use by another tune; wait for it or name another --out"


def take(lock: IO[str], taken: str) -> None:
    """Lock an open file until it is closed; raise Locked, saying `taken`, where another has it.

    Raises EngineMissing on Windows.
    """
    ensure_can_measure()
    if sys.platform == "win32":
        return
    import fcntl

    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Locked(taken) from None


def is_taken(lock: Path) -> bool:
    """Tell whether another process has a lock; asks for it for an instant, shared with who looks.

    A lock that is not there, or cannot be asked for, is seen with nobody.
    """
    if sys.platform == "win32":
        return False
    import fcntl

    try:
        with lock.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _no_folder(out: Path, error: OSError) -> InputError:
    return InputError(
        f"cannot write to {out}: {error.strerror} ({error.filename}); make it writable, or "
        "name another --out"
    )


def holds_run(out: Path) -> bool:
    """Tell whether a folder holds a run, finished or not."""
    return any((out / name).exists() for name in ("trials", "result.json", RUN_FILE))


def holds_rounds(out: Path) -> bool:
    """Tell whether a folder holds the rounds of an iteration, of which one was begun."""
    return any(holds_run(folder) for folder in (out / ROUNDS).glob("*"))


def _check_use(out: Path, resume: bool) -> None:
    used = holds_run(out)
    if holds_rounds(out):
        raise InputError(
            f"{out} holds rounds; go on with --iterate --resume, or name another --out"
        )
    if used and not resume:
        raise InputError(
            f"{out} already holds a run, and a run is never overwritten; continue it with "
            "--resume, or name another --out"
        )
    if resume and not used:
        raise InputError(f"{out} holds no run that could be continued; leave --resume out")


def same_run(out: Path, identity: Mapping[str, Any], trials: Mapping[str, str | None]) -> str:
    """Write down what a run is about, or check that it is the same as when the run began.

    Returns the digest that each trial of the run stores: that of what was written down first.
    `trials` has for each finished trial the digest of the run that it belongs to. Raises
    NotComparable with the first difference, or for a trial of another run: samples of unlike runs
    are never pooled. Raises InputError for a file that cannot be read.
    """
    now = json.loads(json.dumps(identity))
    before = begun_as(out)
    facts = [fact for fact in {**now, **(before or {})} if fact != "schema"]
    for found in differences(before or now, now, facts):
        raise NotComparable(
            f"{out} was begun with another {found.fact}: then {short(found.a)}, now "
            f"{short(found.b)}; samples of unlike runs are not pooled: name another --out"
        )
    about = run_digest(now if before is None else before)
    for name, run in trials.items():
        if run != about:
            raise NotComparable(
                f"{out / 'trials' / name} was measured by another run: move it out of {out}, or "
                "name another --out"
            )
    if before is None:
        write_json(out / RUN_FILE, {"schema": RUN_SCHEMA, **now})
    return about


def run_digest(identity: Mapping[str, Any]) -> str:
    """Return the digest that each trial of a run stores, which tells to which run it belongs."""
    return digest({fact: value for fact, value in identity.items() if fact != "schema"})


def begun_as(out: Path) -> dict[str, Any] | None:
    """Return what a run wrote down when it began, None where there is nothing.

    Raises InputError for what cannot be read, NotComparable for that of another version.
    """
    path = out / RUN_FILE
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(before, dict):
            raise ValueError(f"expected a JSON object, found {type(before).__name__}")
        schema = before["schema"]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError) as broken:
        raise InputError(
            f"{path}: not what a run writes down when it begins ({broken}); move it away, and "
            "--resume writes it anew where the trials are those of this study"
        ) from None
    if schema != RUN_SCHEMA:
        raise NotComparable(
            f"{path.parent} was begun by another version of tune ({schema}, expected "
            f"{RUN_SCHEMA}), which wrote down less of what it measured; name another --out"
        )
    return before
