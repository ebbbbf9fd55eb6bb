"""The world of a night: all that has to be alike before what two nights showed is pooled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from tuner.engines.base import Engine
from tuner.spec.identity import declared
from tuner.spec.study import Study
from tuner.workflow.measuring.environment import ALIKE, environment

_OF_A_MEASUREMENT = ("loop", "prompts", "limits")
"""What measurements tell of themselves; `declared` and `load` hold what the study says of it."""


def facts(study: Study, engine: Engine, version: str) -> Mapping[str, Any]:
    """Return the facts of the world in which an engine of a version serves a study."""
    known = environment(engine, version) | {
        "declared": declared(study),
        "workload_hash": study.workload.hash,
        "load": str(study.workload.load),
    }
    return {name: known[name] for name in ALIKE if name not in _OF_A_MEASUREMENT} | {
        "slo": [str(slo) for slo in study.slos],
        "guard": asdict(study.guard),
        "objective": study.objective,
    }
