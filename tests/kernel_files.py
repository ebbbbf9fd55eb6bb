"""The kernel's files of a pretend machine, written into a folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tuner.machine.counters import usable_cpus
from tuner.machine.kernel import Kernel


def write(root: Path, files: Mapping[str, str]) -> Kernel:
    """Write files such as {"proc/stat": "..."} below a folder and return where they are."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return Kernel(root / "proc", root / "sys")


def stat(busy: int, idle: int, stolen: int = 0, cpus: set[int] | None = None) -> str:
    """Return a /proc/stat in which each CPU has spent so many ticks in each way."""
    lines = [f"cpu{n} {busy} 0 0 {idle} 0 0 0 {stolen} 0 0" for n in cpus or usable_cpus()]
    return "\n".join(["cpu 1 2 3 4 5 6 7 8 9 10", *lines, "intr 1 2 3", "ctxt 5"])
