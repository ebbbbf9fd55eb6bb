"""What a run was measured on: runs that differ here are not compared."""

from __future__ import annotations

import os
import platform
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil

from tuner import __version__
from tuner.engines.base import Engine
from tuner.spec.study import Study
from tuner.spec.values import Candidate
from tuner.workflow.machine import HERE, Kernel, first_line, memory_limit_bytes


def environment(engine: Engine, version: str | None) -> dict[str, Any]:
    """Return the facts about machine, engine and model that a comparison must share."""
    return {
        "tuner_version": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "cpu": _cpu_name(),
        "cpus": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "governor": first_line(Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")),
        "engine": engine.name,
        "engine_version": version,
        "model": engine.model.name,
        "model_digest": engine.model.digest,
    }


def identity(study: Study, engine: Engine, base: Candidate) -> dict[str, Any]:
    """Return what two parts of one run must share for their samples to be pooled."""
    return {
        "study": study.name,
        "tuner_version": __version__,
        "cpu": _cpu_name(),
        "cpus": os.cpu_count(),
        "engine": engine.name,
        "model": engine.model.name,
        "model_digest": engine.model.digest,
        "workload_hash": study.workload.hash,
        "load": str(study.workload.load),
        "slo": [str(slo) for slo in study.slos],
        "guard": asdict(study.guard),
        "baseline": dict(base),
        "space": {name: asdict(dimension) for name, dimension in study.space.items()},
        "objective": study.objective,
        "sampler": study.sampler,
        "seed": study.seed,
    }


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def free_memory_bytes(kernel: Kernel = HERE) -> int:
    """Return the memory that a new process may take: what is available, within our limit."""
    limit = memory_limit_bytes(kernel)
    available = psutil.virtual_memory().available
    return available if limit is None else min(available, limit)
