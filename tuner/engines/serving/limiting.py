"""By which means an engine is kept within its limits, and what of them is in force.

The best that works is taken: a scope of systemd, else a cgroup of ours, else what a process may do
to itself. What is in force is read back from the running engine.
Sources: systemd-run(1), systemd.resource-control(5), cgroup-v2.rst of the kernel's documentation.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from functools import cache

import psutil

from tuner.machine import cgroup
from tuner.machine.confinement import Confinement
from tuner.machine.counters import usable_cpus
from tuner.machine.kernel import keyed, number
from tuner.spec.beside import InForce, Limits, Means, cpu_list
from tuner.spec.errors import InputError

PROBE_S = 10.0
"""Seconds in which a scope of systemd that works has begun."""

_SHOW_LIMIT = 'cat "/sys/fs/cgroup$(sed -n s/^0:://p /proc/self/cgroup)/memory.max"'


def numbers(limits: Limits | None) -> tuple[int, ...] | None:
    """Return the numbers of the CPUs that limits allow, None for all; raise InputError."""
    if limits is None:
        return None
    try:
        return limits.cpus_of(usable_cpus())
    except ValueError as wrong:
        raise InputError(f"cpus of the engine: {wrong}") from None


def confined(
    command: tuple[str, ...], limits: Limits | None
) -> tuple[tuple[str, ...], Confinement, Means]:
    """Return a command as it is to be started within limits, and what holds them."""
    if limits is None:
        return command, Confinement(), "process"
    cpus, size = numbers(limits), _pages(limits.memory_bytes)
    plain = Confinement(limits.nice, cpus, size)
    scope = _scope(limits.nice, cpus, size)
    if scope and shutil.which(command[0]) and _works(scope, size):
        return (*scope, *command), replace(plain, data_bytes=None), "systemd"
    if sys.platform == "linux":
        plain = replace(plain, cgroup=_settings(limits.nice, cpus, size))
    return command, plain, "cgroup"


def _pages(size: int | None) -> int | None:
    """Return a size as the kernel will hold it: in whole pages."""
    return None if size is None else size - size % mmap.PAGESIZE


def _settings(nice: int | None, cpus: tuple[int, ...] | None, size: int | None) -> dict[str, str]:
    """Return limits as the files of a cgroup; what does not fit is ended, not swapped out."""
    found: dict[str, str] = {}
    if nice is not None:
        found["cpu.weight.nice"] = str(nice)
    if cpus is not None:
        found["cpuset.cpus"] = cpu_list(cpus)
    if size is not None:
        found |= {"memory.max": str(size), "memory.swap.max": "0"}
    return found


def _scope(nice: int | None, cpus: tuple[int, ...] | None, size: int | None) -> tuple[str, ...]:
    """Return the words that run a command in a scope of systemd, () where there is none."""
    if sys.platform != "linux":
        return ()
    program = shutil.which("systemd-run")
    if program is None:
        return ()
    properties = [] if nice is None else [f"CPUWeight={_weight(nice)}"]
    properties += [] if cpus is None else [f"AllowedCPUs={cpu_list(cpus)}"]
    properties += [] if size is None else [f"MemoryMax={size}", "MemorySwapMax=0"]
    whose = () if os.geteuid() == 0 else ("--user",)
    set_to = (word for one in properties for word in ("-p", one))
    return (program, *whose, "--scope", "--quiet", "--collect", *set_to, "--")


def _weight(nice: int) -> int:
    """Return the weight of a cgroup that stands for a niceness; the kernel's steps are 1.25."""
    return max(round(100 / 1.25**nice), 1)


@cache
def _works(scope: tuple[str, ...], size: int | None) -> bool:
    """Tell whether a command runs in such a scope, and within its limit of memory."""
    try:
        done = subprocess.run(
            [*scope, "sh", "-c", _SHOW_LIMIT if size is not None else "true"],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=PROBE_S,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and (size is None or done.stdout.strip() == str(size))


def restrain(pid: int, limits: Limits | None) -> None:
    """Let a process that has just been started yield as the engine does that it helps."""
    if limits is None:
        return
    cpus = numbers(limits)
    with contextlib.suppress(psutil.Error, OSError):
        process = psutil.Process(pid)
        if limits.nice is not None:
            process.nice(max(limits.nice, int(process.nice())))
        if cpus is not None and sys.platform == "linux":
            process.cpu_affinity(list(cpus))


# what is in force
def in_force(pid: int, limits: Limits | None, by: Means) -> InForce | None:
    """Return the limits of a running process as they are read back, None where none were asked.

    None as well where the process has ended.
    """
    if limits is None:
        return None
    try:
        process = psutil.Process(pid)
        nice, cpus = _nice(process, limits), _cpus(process, limits)
        memory, held_by = _memory(pid, process, limits, by)
    except psutil.Error:
        return None
    return InForce(nice, cpus, memory, held_by, _missing(limits, nice, cpus, memory))


def _nice(process: psutil.Process, limits: Limits) -> int | None:
    return None if limits.nice is None else int(process.nice())


def _cpus(process: psutil.Process, limits: Limits) -> tuple[int, ...] | None:
    if limits.cpus is None or sys.platform != "linux":
        return None
    return tuple(sorted(process.cpu_affinity()))


def _memory(
    pid: int, process: psutil.Process, limits: Limits, by: Means
) -> tuple[int | None, Means]:
    """Return what bounds the memory of a process, and by which means it is confined."""
    folder = cgroup.own(pid=pid)
    ours = folder is not None and (by == "systemd" or folder.name.startswith(cgroup.PREFIX))
    if folder is not None and ours:
        size = number(folder / "memory.max") if limits.memory_bytes is not None else None
        return size, by
    if limits.memory_bytes is None or sys.platform != "linux":
        return None, "process"
    bound = process.rlimit(psutil.RLIMIT_DATA)[0]
    return (None if bound == psutil.RLIM_INFINITY else bound), "process"


def _missing(
    limits: Limits, nice: int | None, cpus: tuple[int, ...] | None, memory: int | None
) -> tuple[str, ...]:
    """Return what was asked for and is not in force, and why."""
    found = []
    if limits.nice is not None and (nice is None or nice < limits.nice):
        found.append(f"nice {limits.nice}")
    if limits.cpus is not None and cpus is None:
        found.append("the CPUs, to which only Linux confines")
    elif cpus is not None and not set(cpus) <= set(numbers(limits) or ()):
        found.append(f"the CPUs, it is back on {cpu_list(cpus)}")
    if limits.memory_bytes is not None and memory != _pages(limits.memory_bytes):
        found.append("the limit of memory, for which there is no means here")
    return tuple(found)


def killed_in_cgroup(pid: int) -> bool:
    """Tell whether the kernel ended a process of a running engine's own cgroup for its memory."""
    folder = cgroup.own(pid=pid)
    if folder is None or folder == cgroup.own():
        return False
    return keyed(folder / "memory.events").get("oom_kill", 0) > 0
