"""What the kernel tells of this machine: what it counts, what it allows, and what runs on it.

Everything is read from files, whose places a test may give. Where a file is not there (another
system, a container that hides it), what it would tell is None or nothing.
Sources: proc(5) and, in the kernel's documentation, cgroup-v2.rst, scheduler/sched-bwc.rst and
memory.rst of version 1, pm/cpufreq.rst and x86/x86_64/machinecheck.rst.
"""

from __future__ import annotations

import mmap
import os
import sys
import time
from dataclasses import dataclass

from tuner.machine.disturbance import Disturbance
from tuner.machine.kernel import (
    HERE,
    TICKS_PER_S,
    Kernel,
    cgroup_folders,
    first_line,
    keyed,
    lines,
    number,
)
from tuner.machine.processes import cpu_seconds


@dataclass(frozen=True, slots=True)
class Counters:
    """What has been counted since the machine started, on the CPUs that we may use.

    Seconds of CPU time: `capacity_s` in all, idle ones too, `busy_s` at work, `ours_s` for
    `tune` and what it started. `swapped_in` counts pages.
    """

    at_s: float
    capacity_s: float
    busy_s: float
    stolen_s: float
    ours_s: float
    throttled_s: float
    heat_events: int
    swapped_in: int


@dataclass(frozen=True, slots=True)
class Throttling:
    """How often the quota of a cgroup was enforced: periods, those that were cut, seconds cut."""

    periods: int = 0
    cut: int = 0
    seconds: float = 0.0


# counters
def counters(kernel: Kernel = HERE, served_s: float = 0.0) -> Counters | None:
    """Return what has been counted until now, None where the kernel does not tell.

    `served_s` are the CPU seconds of an engine that we did not start: they count as ours.
    """
    rows = _cpu_rows(kernel)
    if not rows:
        return None
    user, nice, system, idle, iowait, irq, softirq, stolen = map(sum, zip(*rows, strict=True))
    busy = user + nice + system + irq + softirq
    return Counters(
        at_s=time.monotonic(),
        capacity_s=(busy + idle + iowait + stolen) / TICKS_PER_S,
        busy_s=busy / TICKS_PER_S,
        stolen_s=stolen / TICKS_PER_S,
        ours_s=cpu_seconds(os.getpid()) + served_s,
        throttled_s=throttling(kernel).seconds,
        heat_events=heat_events(kernel) or 0,
        swapped_in=keyed(kernel.proc / "vmstat").get("pswpin", 0),
    )


def since(before: Counters | None, kernel: Kernel = HERE) -> Disturbance | None:
    """Return what disturbed the time since some counters were read, None where nobody knows."""
    return between(before, counters(kernel) if before else None)


def between(before: Counters | None, after: Counters | None) -> Disturbance | None:
    """Return what disturbed the time between two readings, None where nobody knows."""
    if before is None or after is None or after.capacity_s <= before.capacity_s:
        return None
    capacity_s = after.capacity_s - before.capacity_s
    others_s = (after.busy_s - before.busy_s) - (after.ours_s - before.ours_s)
    pages = after.swapped_in - before.swapped_in
    return Disturbance(
        elapsed_s=after.at_s - before.at_s,
        others=min(max(others_s / capacity_s, 0.0), 1.0),  # ticks are coarser than a process's own
        stolen=(after.stolen_s - before.stolen_s) / capacity_s,
        throttled=(after.throttled_s - before.throttled_s) / capacity_s,
        heat_events=after.heat_events - before.heat_events,
        swapped_in_bytes=pages * mmap.PAGESIZE,
    )


def usable_cpus() -> set[int]:
    """Return the numbers of the CPUs that this process may use: all, but on Linux."""
    if sys.platform == "linux":
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))


def _cpu_rows(kernel: Kernel) -> list[list[int]]:
    """Return the first eight times of each usable CPU in ticks; of all where numbers differ.

    A container may see the CPUs that it has under numbers of its own.
    """
    told = [words for line in lines(kernel.proc / "stat") if (words := line.split())]
    rows = {w[0]: [int(t) for t in w[1:9]] for w in told if w[0].startswith("cpu")}
    rows.pop("cpu", None)
    usable = {f"cpu{number}" for number in usable_cpus()}
    return [row for name, row in rows.items() if name in usable] or list(rows.values())


def heat_events(kernel: Kernel = HERE) -> int | None:
    """Return how often cores were slowed down for heat, None where the kernel does not count it."""
    pattern = "devices/system/cpu/cpu[0-9]*/thermal_throttle/core_throttle_count"
    counts = [count for f in kernel.sys.glob(pattern) if (count := number(f)) is not None]
    return sum(counts) if counts else None


def memory_kills(kernel: Kernel = HERE) -> int | None:
    """Return how often the kernel ended a process for lack of memory, None where it is not told.

    That counts those of the whole machine and those that went beyond the limit of their cgroup.
    """
    return keyed(kernel.proc / "vmstat").get("oom_kill")


def cpu_by_process(kernel: Kernel = HERE) -> dict[int, tuple[str, float]]:
    """Return name and CPU seconds of each process that can be seen, by its id."""
    found = {}
    for stat in kernel.proc.glob("[0-9]*/stat"):
        # the name stands in brackets and may hold any character, brackets and blanks too
        head, _, tail = "".join(lines(stat)).rpartition(")")
        if fields := tail.split():
            name = head.partition("(")[2]
            found[int(stat.parent.name)] = (name, (int(fields[11]) + int(fields[12])) / TICKS_PER_S)
    return found


# what a cgroup allows
def quota_cpus(kernel: Kernel = HERE) -> float | None:
    """Return how many CPUs' time the tightest quota around us allows, None without a quota."""
    found = []
    for folder in cgroup_folders(kernel, "cpu"):
        second = first_line(folder / "cpu.max") or ""
        quota, _, period = second.partition(" ")
        if not second:
            quota = first_line(folder / "cpu.cfs_quota_us") or ""
            period = first_line(folder / "cpu.cfs_period_us") or ""
        if quota.isdigit() and period.isdigit():  # "max" and -1 stand for no quota
            found.append(int(quota) / int(period))
    return min(found, default=None)


def throttling(kernel: Kernel = HERE) -> Throttling:
    """Return how often quotas around us were enforced since their cgroups were made."""
    stats = [keyed(folder / "cpu.stat") for folder in cgroup_folders(kernel, "cpu")]
    return Throttling(
        sum(s.get("nr_periods", 0) for s in stats),
        sum(s.get("nr_throttled", 0) for s in stats),
        sum(s.get("throttled_usec", 0) / 1e6 + s.get("throttled_time", 0) / 1e9 for s in stats),
    )
