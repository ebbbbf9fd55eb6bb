"""The kernel's files, whose places a test may give, and the cgroups that we are in.

Where a file is not there (another system, a container that hides it), what it would tell is None
or nothing. Source: cgroup-v2.rst and cgroup-v1/ in the kernel's documentation.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Kernel:
    """Where the kernel's files lie."""

    proc: Path = Path("/proc")
    sys: Path = Path("/sys")


HERE = Kernel()

TICKS_PER_S = 100
"""Of the times in /proc."""

if sys.platform == "linux":
    TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def cgroup_folders(kernel: Kernel, controller: str) -> list[Path]:
    """Return the folders of our cgroup and of those around it that hold a controller's files.

    The cgroup's own path may not show inside a container, whose mount begins at it.
    """
    root = kernel.sys / "fs" / "cgroup"
    found = []
    for line in lines(kernel.proc / "self" / "cgroup"):
        _, names, path = line.split(":", 2)
        if not names or controller in names.split(","):
            mount = root / controller if names else root  # version 1 has a tree for each
            own = mount / path.lstrip("/")
            found += [f for f in (own, *own.parents) if mount in f.parents]
    return [f for f in dict.fromkeys((*found, root / controller, root)) if f.is_dir()]


def keyed(path: Path) -> dict[str, int]:
    """Return the numbers of a file whose lines are "name number", or "name: number kB"."""
    rows = [line.split() for line in lines(path)]
    return {row[0].rstrip(":"): int(row[1]) for row in rows if len(row) > 1 and row[1].isdigit()}


def number(path: Path) -> int | None:
    """Return the one number that a file holds, None where it holds none."""
    line = first_line(path)
    return int(line) if line is not None and line.isdigit() else None


def first_line(path: Path) -> str | None:
    """Return the first line of a file, None where there is none."""
    return next(iter(lines(path)), None)


def lines(path: Path) -> list[str]:
    """Return the lines of a file, none where it cannot be read: processes end, files hide."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
