"""Put this process within limits: done in an engine's process before its program runs.

Only what every process may do to itself: its niceness, its CPUs, the cgroup that was made for it
and, without that, the size of its data. RLIMIT_AS is no choice: drivers of GPUs, Go and files that
are mapped reserve far more addresses than they ever fill. RLIMIT_DATA counts what is filled
(setrlimit(2), since Linux 4.7), for each process by itself.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Confinement:
    """What a process is to be confined to; None is no limit.

    `cgroup` holds the settings of a cgroup to be made for it, by the names of its files; without
    one `data_bytes` bounds each process instead.
    """

    nice: int | None = None
    cpus: tuple[int, ...] | None = None
    data_bytes: int | None = None
    cgroup: Mapping[str, str] | None = None

    def document(self) -> dict[str, Any]:
        """Return it as JSON, for a process to be told of it."""
        return asdict(self)


def enter(confinement: Confinement, cgroup: Path | None) -> None:
    """Confine this process, with the cgroup that was made for it; what cannot be done is left.

    What is in force is read back from the process, so that nothing here has to be believed.
    """
    if confinement.nice is not None:
        _yield(confinement.nice)
    if sys.platform == "linux":
        if confinement.cpus is not None:
            with contextlib.suppress(OSError):
                os.sched_setaffinity(0, confinement.cpus)
        entered = cgroup is not None and _entered(cgroup)
        if confinement.data_bytes is not None and not entered:
            _bound_data(confinement.data_bytes)


def _yield(nice: int) -> None:
    if sys.platform == "win32":
        return
    with contextlib.suppress(OSError):
        now = os.getpriority(os.PRIO_PROCESS, 0)
        os.setpriority(os.PRIO_PROCESS, 0, max(now, nice))
    # where the kernel schedules by session, niceness counts only within one (sched(7), "autogroup")
    with contextlib.suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(nice))


def _entered(cgroup: Path) -> bool:
    try:
        (cgroup / "cgroup.procs").write_text("0")  # this process
    except OSError:
        return False
    return True


def _bound_data(size: int) -> None:
    if sys.platform == "linux":
        import resource

        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_DATA, (size, size))
