"""What is usable on this machine, and what would disturb measuring on it."""

from __future__ import annotations

import sys
import time

from tuner.engines.kind import Installed
from tuner.engines.registry import kinds
from tuner.machine.counters import counters, cpu_by_process, since
from tuner.machine.finding import Finding
from tuner.machine.kernel import HERE, Kernel
from tuner.machine.system import can_measure, limits
from tuner.report.doctor import Diagnosis
from tuner.workflow.machine_findings import busiest, findings


def diagnose(kernel: Kernel = HERE, seconds: float = 1.0) -> Diagnosis:
    """Return which engines are usable and what disturbs; look at the CPUs for some seconds."""
    before, processes = counters(kernel), cpu_by_process(kernel)
    time.sleep(seconds)
    window = since(before, kernel)
    others = busiest(processes, cpu_by_process(kernel), seconds)
    return Diagnosis(engines(), [*system(), *findings(kernel, window, others)], window)


def system(platform: str = sys.platform) -> list[Finding]:
    """Return what an operating system lacks, [] on Linux."""
    if (said := limits(platform)) is None:
        return []
    return [Finding("system", "note" if can_measure(platform) else "warning", said)]


def engines(path: str | None = None) -> list[Installed]:
    """Return what each kind of engine needs; programs are looked for in `path`, or in PATH."""
    return [found for kind in kinds() if (found := kind.installed(path)) is not None]
