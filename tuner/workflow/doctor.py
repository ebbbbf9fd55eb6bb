"""What is usable on this machine, and what would disturb measuring on it."""

from __future__ import annotations

import time

from tuner.engines.kind import Installed
from tuner.engines.registry import kinds
from tuner.machine.counters import counters, cpu_by_process, since
from tuner.machine.kernel import HERE, Kernel
from tuner.report.diagnosis import Diagnosis
from tuner.workflow.machine_findings import busiest, findings


def diagnose(kernel: Kernel = HERE, seconds: float = 1.0) -> Diagnosis:
    """Return which engines are usable and what disturbs; look at the CPUs for some seconds."""
    before, processes = counters(kernel), cpu_by_process(kernel)
    time.sleep(seconds)
    window = since(before, kernel)
    others = busiest(processes, cpu_by_process(kernel), seconds)
    return Diagnosis(engines(), findings(kernel, window, others), window)


def engines(path: str | None = None) -> list[Installed]:
    """Return what each kind of engine needs; programs are looked for in `path`, or in PATH."""
    return [found for kind in kinds() if (found := kind.installed(path)) is not None]
