"""Whether this machine is quiet enough to measure on: a finding for each thing that disturbs."""

from __future__ import annotations

import os
from collections.abc import Mapping

from tuner.engines.memory import room
from tuner.machine import processes
from tuner.machine.counters import heat_events, quota_cpus, throttling, usable_cpus
from tuner.machine.disturbance import HALTED_SHARE, OTHERS_SHARE, SWAPPED_BYTES, Disturbance
from tuner.machine.finding import Finding, Level
from tuner.machine.kernel import Kernel, first_line, keyed

SLOW_CLOCKS = ("hpet", "acpi_pm", "jiffies", "refined-jiffies", "pit", "xen")
"""Clock sources whose every reading is a system call or a slow device, or that only tick."""

LEAST_FREE_BYTES = 2**30
"""What a small model with its cache and buffers takes; the packaged one takes less."""

NAMED = 3
"""Processes that are named as the busiest."""

Usage = Mapping[int, tuple[str, float]]
"""Name and CPU seconds of processes by their id."""


def findings(kernel: Kernel, window: Disturbance | None, others: str) -> list[Finding]:
    """Return what disturbs measuring in a window, or will under load; `others` names processes."""
    return [
        _others(window, others),
        _stolen(window),
        _quota(quota_cpus(kernel), len(usable_cpus())),
        _throttled(kernel, window),
        _heat(kernel, window),
        _swap(kernel, window),
        _memory(kernel),
        _governor(kernel),
        _clock(kernel),
    ]


def busiest(before: Usage, after: Usage, seconds: float) -> str:
    """Return which other processes used the CPUs most, "" where none is seen to have."""
    ours = {member.pid for member in processes.family(os.getpid())}
    used = {
        pid: cpu_s - before[pid][1]
        for pid, (_, cpu_s) in after.items()
        if pid in before and pid not in ours and cpu_s > before[pid][1]
    }
    worst = sorted(used, key=lambda pid: -used[pid])[:NAMED]
    return ", ".join(
        f"{after[pid][0]} (process {pid}, {used[pid] / seconds:.0%} of a CPU)" for pid in worst
    )


def _others(window: Disturbance | None, others: str) -> Finding:
    if window is None or window.others is None:
        return _hidden("other load")
    found = f"other processes take {window.others:.0%} of the {len(usable_cpus())} CPUs"
    if window.others < OTHERS_SHARE:
        return Finding("other load", "ok", found)
    who = others or "none that can be seen from here: another container or another user"
    remedy = f"less than {OTHERS_SHARE:.0%} is expected: end them, or measure at another time"
    return Finding("other load", "warning", f"{found}, most of it {who}; {remedy}")


def _stolen(window: Disturbance | None) -> Finding:
    if window is None:
        return _hidden("steal time")
    found = f"the hypervisor takes {window.stolen:.1%} of the CPUs"
    if window.stolen < HALTED_SHARE:
        return Finding("steal time", "ok", found)
    remedy = "take a machine with CPUs of its own, or measure at another time"
    expected = f"less than {HALTED_SHARE:.0%} is expected"
    return Finding("steal time", "warning", f"{found}; {expected}: {remedy}")


def _quota(quota: float | None, threads: int) -> Finding:
    if quota is None:
        return Finding("CPU quota", "ok", f"none, for {threads} CPUs")
    found = f"the cgroup allows the time of {quota:g} CPUs"
    if quota >= threads:
        return Finding("CPU quota", "ok", f"{found}, for {threads} threads")
    remedy = (
        f"an engine with {threads} threads, as many as there are CPUs, is halted for the rest of "
        f"each period: set num_thread to {max(1, int(quota))} or less, or raise the quota"
    )
    return Finding("CPU quota", "warning", f"{found}; {remedy}")


def _throttled(kernel: Kernel, window: Disturbance | None) -> Finding:
    counted = throttling(kernel)
    found = f"the quota has cut {counted.cut} of {counted.periods} periods"
    if window and window.throttled >= HALTED_SHARE:
        text = f"{found} and halts processes now; none is expected: lower num_thread, end others"
        return Finding("throttling", "warning", text)
    return Finding("throttling", "note" if counted.cut else "ok", f"{found} so far")


def _heat(kernel: Kernel, window: Disturbance | None) -> Finding:
    count = heat_events(kernel)
    if count is None:
        return Finding("heat", "ok", "not counted, as in most virtual machines")
    found = f"cores were slowed down {count} times since the machine started"
    if window and window.heat_events:
        return Finding("heat", "warning", f"{found}, and are now; let the machine cool down")
    return Finding("heat", "note" if count else "ok", found)


def _swap(kernel: Kernel, window: Disturbance | None) -> Finding:
    memory = keyed(kernel.proc / "meminfo")
    used_mib = (memory.get("SwapTotal", 0) - memory.get("SwapFree", 0)) / 1024
    found = f"{used_mib:.0f} MiB are in swap"
    if window and window.swapped_in_bytes >= SWAPPED_BYTES:
        back = f"{window.swapped_in_bytes / 2**20:.0f} MiB came back from it just now"
        remedy = "none is expected: end what takes the memory, or tune a smaller model or context"
        return Finding("swap", "warning", f"{found} and {back}; {remedy}")
    if "SwapTotal" not in memory:
        return _hidden("swap")
    return Finding("swap", "note" if used_mib >= 1 else "ok", f"{found}, and none comes back")


def _memory(kernel: Kernel) -> Finding:
    free = room(kernel)
    limited = free.cgroup is not None
    found = f"{free.bytes / 2**30:.1f} GiB can be used {free.bound if limited else ''}".rstrip()
    if free.bytes >= LEAST_FREE_BYTES:
        return Finding("memory", "note" if limited else "ok", found)
    remedy = "candidates that need more are refused: end what takes it, or raise the limit"
    return Finding("memory", "warning", f"{found}; 1 GiB is expected; {remedy}")


def _governor(kernel: Kernel) -> Finding:
    files = sorted(kernel.sys.glob("devices/system/cpu/cpu[0-9]*/cpufreq/scaling_governor"))
    names = sorted({name for file in files if (name := first_line(file))})
    if not names:
        return Finding("governor", "ok", "none can be seen, as in most virtual machines")
    if names == ["performance"]:
        return Finding("governor", "ok", "performance")
    text = (
        f"{', '.join(names)}, which changes the clock of the CPUs with their load; expected is "
        "performance: sudo cpupower frequency-set -g performance"
    )
    return Finding("governor", "warning", text)


def _clock(kernel: Kernel) -> Finding:
    file = kernel.sys / "devices/system/clocksource/clocksource0/current_clocksource"
    name = first_line(file)
    level: Level = "warning" if name in SLOW_CLOCKS else "ok"
    if level == "ok":
        return Finding("clock", level, name or "cannot be seen")
    text = f"{name}, which takes long to read; expected is tsc or the hypervisor's own clock"
    return Finding("clock", level, f"{text}: see available_clocksource in {file.parent}")


def _hidden(topic: str) -> Finding:
    return Finding(topic, "note", "this system does not tell (only Linux does, in /proc)")
