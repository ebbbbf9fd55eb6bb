"""A cgroup of our own (version 2), in which an engine may take no more than it is allowed.

It is made below our own cgroup or, where that holds processes, beside it: the kernel lets no
cgroup have both processes and children with limits. Only a place that somebody delegated to us can
be written to. Source: cgroup-v2.rst of the kernel's documentation ("No Internal Process
Constraint", "Delegation").
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping
from pathlib import Path

from tuner.machine.kernel import HERE, Kernel, first_line, lines

PREFIX = "tune-engine-"
"""Names of our cgroups begin so; the id of the process that made it follows."""

REMOVE_S = 2.0
"""Seconds in which the kernel lets go of processes that have ended."""


def own(kernel: Kernel = HERE, pid: int | str = "self") -> Path | None:
    """Return the folder of the cgroup that a process is in, None without version 2."""
    root = kernel.sys / "fs" / "cgroup"
    if not (root / "cgroup.controllers").exists():
        return None
    for line in lines(kernel.proc / str(pid) / "cgroup"):
        if line.startswith("0::/") and ".." not in line:  # that is out of our sight
            return root / line.removeprefix("0::/")
    return None


def made(settings: Mapping[str, str], kernel: Kernel = HERE) -> Path | None:
    """Return a new cgroup with these settings, None where none can be made.

    A setting whose file is not there is left out, but for the memory's limit, without which a
    cgroup is of no use. What earlier ones left behind is removed.
    """
    here = own(kernel)
    root = kernel.sys / "fs" / "cgroup"
    for parent in (here, here.parent) if here is not None else ():
        if parent != root and root not in parent.parents:
            continue
        _sweep(parent)
        if (folder := _made(parent, settings)) is not None:
            return folder
    return None


def _made(parent: Path, settings: Mapping[str, str]) -> Path | None:
    controllers = (first_line(parent / "cgroup.subtree_control") or "").split()
    if "memory.max" in settings and "memory" not in controllers:
        return None
    folder = parent / f"{PREFIX}{os.getpid()}"
    try:
        folder.mkdir()
        for name, value in settings.items():
            if (folder / name).exists():
                (folder / name).write_text(value)
    except OSError:
        remove(folder)
        return None
    return folder


def _sweep(parent: Path) -> None:
    """Remove the cgroups of processes that were killed before they could remove them."""
    for folder in parent.glob(f"{PREFIX}*"):
        maker = folder.name.removeprefix(PREFIX)
        if maker.isdigit() and not _lives(int(maker)):
            with contextlib.suppress(OSError):  # something is in it
                folder.rmdir()


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def remove(folder: Path) -> None:
    """Remove a cgroup whose processes have ended; what is still in use stays for `made`."""
    deadline = time.monotonic() + REMOVE_S
    while folder.exists():
        try:
            folder.rmdir()
        except OSError:
            if time.monotonic() > deadline:
                return
            time.sleep(0.01)
