"""The facts about machine, engine and model, and which of them must agree before comparing."""

from __future__ import annotations

import os
import platform
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil

from tuner import __version__
from tuner.engines.base import Engine, Limited, Seen, Stores
from tuner.machine.counters import usable_cpus
from tuner.machine.kernel import first_line
from tuner.spec.identity import declared
from tuner.spec.study import ERROR, Study
from tuner.spec.values import Candidate

ALIKE_BEFORE = (
    "tuner_version", "cpu", "cpus", "cpus_allowed", "gpus", "engine", "server", "model",
    "model_digest", "model_manifest", "declared", "workload_hash", "load",
)  # fmt: skip
"""What must agree and is known before an engine starts: `--resume` checks it.

`declared` is all that the study says of its engine and its load (`spec.identity`).
"""

ALIKE = (*ALIKE_BEFORE, "engine_version", "loop", "prompts", "limits")
"""What must agree before two measurements are compared; `prompts` says which part was sent.

`limits` are those in force, by the means that hold them.
"""


def environment(engine: Engine, version: str | None) -> dict[str, Any]:
    """Return the facts about machine, engine and model."""
    return {
        "tuner_version": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "cpu": _cpu_name(),
        "cpus": os.cpu_count(),
        "cpus_allowed": len(usable_cpus()),
        "gpus": gpu_names(),
        "memory_bytes": psutil.virtual_memory().total,
        "governor": first_line(Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")),
        "engine": engine.name,
        "engine_version": version,
        "server": engine.server if isinstance(engine, Seen) else None,
        "model": engine.model.name,
        "model_digest": engine.model.digest,
        "model_manifest": manifests(engine).get(engine.model.name),
        "limits": _limits(engine),
    }


def asked(study: Study) -> dict[str, Any]:
    """Return those of the facts of `identity` that a study tells without its engine."""
    return {
        "study": study.name,
        "declared": declared(study),
        "workload_hash": study.workload.hash,
        "load": str(study.workload.load),
        "slo": [str(slo) for slo in study.slos],
        "guard": asdict(study.guard),
        "objective": study.objective,
        "sampler": study.sampler,
        "seed": study.seed,
    }


def identity(study: Study, engine: Engine, base: Candidate) -> dict[str, Any]:
    """Return the facts in which two parts of a run must agree before their samples are pooled."""
    facts = environment(engine, None) | asked(study)
    return {
        "study": study.name,
        "manifests": manifests(engine),
        **{fact: facts[fact] for fact in ALIKE_BEFORE},
        "slo": facts["slo"],
        "guard": facts["guard"],
        "baseline": dict(base),
        "space": {name: asdict(dimension) for name, dimension in study.space.items()},
        "objective": study.objective,
        "sampler": study.sampler,
        "seed": study.seed,
        # a round has a part of the error; runs of the whole were begun without this fact
        **({} if study.error == ERROR else {"error": study.error}),
    }


def manifests(engine: Engine) -> dict[str, str | None]:
    """Return the digests of the models that candidates may name, {} where models are files."""
    return dict(engine.manifests) if isinstance(engine, Stores) else {}


def _limits(engine: Engine) -> dict[str, Any] | None:
    """Return the limits within which the engine ran last, None where none were asked for."""
    found = engine.limits if isinstance(engine, Limited) else None
    return None if found is None else asdict(found)


def gpu_names(driver: Path = Path("/proc/driver/nvidia")) -> list[str] | None:
    """Return the model of each NVIDIA GPU that the driver shows, None where there is none."""
    texts = (f.read_text() for f in sorted(driver.glob("gpus/*/information")))
    names = [found[1].strip() for text in texts if (found := re.search(r"Model:(.*)", text))]
    return names or None


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
