"""The output folder of a run: held by one process, and nothing in it is ever half written."""

from __future__ import annotations

import contextlib
import fcntl
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tuner.report.comparison import differences, short
from tuner.spec.errors import InputError, Locked, NotComparable, OutputError

RUN_FILE = "run.json"


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn a failure to write below `path` into an OutputError that says how to go on."""
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"cannot write {path}: {error.strerror or error}; make room and do it again (what was "
            "finished is kept: `tune run` goes on with --resume)"
        ) from error


def write_json(path: Path, document: Any) -> None:
    """Write a JSON document through a temporary file, so that a reader never sees half of it."""
    partial = path.with_name(f".{path.name}.partial")
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    with writing(path):
        partial.write_text(text + "\n", encoding="utf-8")
        partial.replace(path)


@contextlib.contextmanager
def claimed(out: Path, *, resume: bool = False) -> Iterator[Path]:
    """Hold the output folder for this process alone; it is made where it is not there.

    Claim it before the engine is created, which may put files there. A folder in which nothing
    was begun is given back empty. Raises Locked while another process holds it, and InputError
    where it cannot be written, or where it holds a run and `resume` does not ask to continue that
    (or the other way).
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock = (out / ".lock").open("w")
    except OSError as error:
        raise InputError(f"cannot write to {out}: {error.strerror}; name another --out") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Locked(
                f"{out} is in use by another tune; wait for it or name another --out"
            ) from None
        _check_use(out, resume)
        with writing(out):
            (out / "trials").mkdir(exist_ok=True)
            (out / "engine").mkdir(exist_ok=True)
        try:
            yield out
        finally:
            with contextlib.suppress(OSError):  # it holds trials
                (out / "trials").rmdir()


def _check_use(out: Path, resume: bool) -> None:
    used = any((out / name).exists() for name in ("trials", "result.json", RUN_FILE))
    if used and not resume:
        raise InputError(
            f"{out} already holds a run, and a run is never overwritten; continue it with "
            "--resume, or name another --out"
        )
    if resume and not used:
        raise InputError(f"{out} holds no run that could be continued; leave --resume out")


def same_run(out: Path, identity: Mapping[str, Any]) -> None:
    """Write down what a run is about, or check that it is the same as when it began.

    Raises NotComparable with the first difference: samples of unlike runs are never pooled.
    """
    path = out / RUN_FILE
    now = json.loads(json.dumps(identity))
    if not path.exists():
        write_json(path, {"schema": "tuner.run/1", **now})
        return
    before = json.loads(path.read_text(encoding="utf-8"))
    for found in differences(before, now, now):
        raise NotComparable(
            f"{out} was begun with another {found.fact}: then {short(found.a)}, now "
            f"{short(found.b)}; samples of unlike runs are not pooled: name another --out"
        )


def default_out(name: str) -> Path:
    """Return out/<study>/<timestamp> and point out/<study>/latest at it."""
    base = Path("out") / name
    folder = base / time.strftime("%Y%m%d-%H%M%S")
    while folder.exists():
        time.sleep(0.1)
        folder = base / f"{time.strftime('%Y%m%d-%H%M%S')}"
    base.mkdir(parents=True, exist_ok=True)
    latest = base / "latest"
    latest.unlink(missing_ok=True)
    latest.symlink_to(folder.name)
    return folder


def latest_out(name: str) -> Path:
    """Return the folder that out/<study>/latest points at; raise InputError where there is none."""
    latest = Path("out") / name / "latest"
    if not latest.exists():
        raise InputError(f"{latest} is not there, so nothing can be continued; name --out")
    return latest.resolve().relative_to(Path.cwd())
