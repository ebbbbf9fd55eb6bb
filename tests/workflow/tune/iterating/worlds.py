"""Worlds whose target takes more than one round, and rounds of their studies in virtual time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tests.workflow.worlds import Recorder, study, world
from tuner.spec.space import Choices, Range
from tuner.spec.study import Study
from tuner.spec.values import Candidate, Guard, Slo
from tuner.testing.simulated import Answered, SimulatedEngine, World
from tuner.testing.virtual_time import run as virtually
from tuner.workflow.tune.iterating.iterate import iterate
from tuner.workflow.tune.iterating.result import Iterated


def narrow(settings: Candidate, text: str, rng: np.random.Generator) -> Answered:
    """Few candidates are fast: large batches at a low temperature."""
    answered = world({**settings, "temperature": 0.0, "num_batch": 256}, text, rng)
    batch = 3.0 / float(settings["num_batch"]) * float(rng.lognormal(0.0, 0.05))
    return replace(answered, ttft_s=0.05 + 0.6 * float(settings["temperature"]) + batch)


def narrow_study(**changes: Any) -> Study:
    """Return a study of the narrow world, which is searched at random and stops at a proof."""
    given: dict[str, Any] = {
        "seed": 1, "budget_s": 500.0, "sampler": "random", "stop_when_met": True,
        "objective": "e2e_p99", "guard": Guard(0.5), "slos": (Slo("e2e", 0.95, 0.24),),
        "space": {"temperature": Range(0.0, 1.0), "num_batch": Choices((32, 64, 128, 256))},
        "baseline": {"num_predict": 64, "temperature": 0.7, "num_batch": 32},
    }  # fmt: skip
    return study(**given | changes)


STEP = 0.17


def steps(settings: Candidate, text: str, rng: np.random.Generator) -> Answered:
    """Each larger batch is faster, and answers a little worse than the one before."""
    place = (64, 128, 256).index(int(settings["num_batch"]))
    answered = world({**settings, "temperature": STEP * place / 0.6}, text, rng)
    return replace(answered, ttft_s=(0.3, 0.2, 0.1)[place] * float(rng.lognormal(0.0, 0.02)))


def steps_study(**changes: Any) -> Study:
    """Return a study of the steps: its target takes two of them, and it allows one."""
    given: dict[str, Any] = {
        "budget_s": 400.0, "objective": "e2e_p99", "guard": Guard(0.5, None, 0.2),
        "slos": (Slo("e2e", 0.9, 0.25),), "stop_when_met": True,
        "space": {"num_batch": Choices((64, 128, 256)), "num_predict": Range(16, 64, step=16)},
        "baseline": {"num_batch": 64, "num_predict": 64},
    }  # fmt: skip
    return study(**given | changes)


def rounds(
    made: Study, out: Path, served: World, watcher: Recorder | None = None, *, resume: bool = False
) -> Iterated:
    """Tune a study in rounds in virtual time."""
    work = iterate(made, out, watcher or Recorder(), lambda: SimulatedEngine(served), resume=resume)
    return virtually(work)
