"""The folder of a run without --out: out/<study>/<time>, with the link `latest` beside it."""

from __future__ import annotations

import contextlib
import re
import time
from pathlib import Path

from tuner.spec.errors import InputError
from tuner.store.run_folder import ROUNDS

_STAMP = re.compile(r"\d{8}-\d{6}")
_ROOT, _LINK = "out", "latest"


def results_folder() -> Path:
    """Return the folder of all runs without --out, in the folder in which the process runs."""
    return Path(_ROOT)


def default_out(name: str) -> Path:
    """Return a folder out/<study>/<time> that is not there yet."""
    base = results_folder() / name
    folder = base / time.strftime("%Y%m%d-%H%M%S")
    while folder.exists():
        time.sleep(0.1)
        folder = base / time.strftime("%Y%m%d-%H%M%S")
    return folder


def latest_out(name: str) -> Path:
    """Return the newest folder of a study that holds something; raise InputError without one."""
    base = results_folder() / name
    newest = _newest(base)
    if newest is None:
        raise InputError(f"{base} holds no run that could be continued; name one with --out")
    return newest


def point_latest(out: Path) -> None:
    """Point `latest` at the newest folder that holds something, if `out` is one of those.

    Does nothing for a folder that was named by --out, where the file system has no links, or
    where `latest` is something else.
    """
    ours = _STAMP.fullmatch(out.name) and out.parent.parent.name == _ROOT
    newest, link = _newest(out.parent) if ours else None, out.parent / _LINK
    if newest is None or (link.is_symlink() and link.readlink() == Path(newest.name)):
        return
    partial = link.with_name(f".{_LINK}.partial")
    with contextlib.suppress(OSError):
        partial.unlink(missing_ok=True)
        partial.symlink_to(newest.name)
        partial.replace(link)
    with contextlib.suppress(OSError):  # something else is called so
        partial.unlink(missing_ok=True)


def _newest(base: Path) -> Path | None:
    """Return the newest folder in which something was measured, None without one."""
    found = (f for f in base.glob("*") if _STAMP.fullmatch(f.name) and _holds_something(f))
    return max(found, default=None)


def _holds_something(folder: Path) -> bool:
    trials = (folder / "trials", *folder.glob(f"{ROUNDS}/*/trials"))
    return any(f.stat().st_size for t in trials for f in t.glob("[!.]*/samples.jsonl"))
