"""Validations in virtual time, in a world whose answers come sooner with larger batches."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.workflow.nightly.simulated_night import FAST, study, world
from tuner.evaluate.validation import Validation
from tuner.spec.study import Study
from tuner.spec.values import Candidate
from tuner.testing.simulated import Answered, SimulatedEngine, World
from tuner.testing.virtual_time import run as virtually
from tuner.workflow.validating.asked import Asked
from tuner.workflow.validating.validate import DOCUMENT, validate

B = "num_batch=256"
STUDY = study(slo_ms=300.0)
"""Its baseline has num_batch 64; every setting meets its target."""


def of_b(settings: Candidate) -> bool:
    """Tell whether settings are those of the side that differs from the baseline."""
    return settings["num_batch"] == FAST["num_batch"]


def taking(share: float) -> World:
    """Return a world in which B takes so many times as long as A, with noise."""

    def made(settings: Candidate, text: str, rng: np.random.Generator) -> Answered:
        level = share if of_b(settings) else 1.0
        answer = json.dumps({"n": int(text.split()[-1])})
        return Answered(0.1 * level * float(rng.lognormal(0.0, 0.05)), 0.001 * level, answer, 4)

    return made


def changed(change: Callable[[Answered, str], Answered]) -> World:
    """Return a world in which B answers otherwise than A, and as soon."""

    def made(settings: Candidate, text: str, rng: np.random.Generator) -> Answered:
        found = taking(1.0)(settings, text, rng)
        return change(found, text) if of_b(settings) else found

    return made


def validated(
    out: Path,
    made: World = world,
    a: str = "baseline",
    b: str = B,
    of: Study = STUDY,
    *,
    within_s: float | None = None,
    told: list[str] | None = None,
    **asked: Any,
) -> Validation:
    """Validate in virtual time; end it after `within_s` seconds, as a signal does."""
    notes = [] if told is None else told

    async def work() -> Validation:
        engine = SimulatedEngine(made, seed=3)
        async with asyncio.timeout(within_s):
            return (await validate(Asked(of, a, b, out, **asked), notes.append, engine))[0]

    return virtually(work())


def document(out: Path) -> dict[str, Any]:
    """Return the document of a validation."""
    found: dict[str, Any] = json.loads((out / DOCUMENT).read_text())
    return found


def unjudged(of: Study = STUDY) -> Study:
    """Return a study none of whose prompts says what is right."""
    templates = tuple(dataclasses.replace(t, expect=None) for t in of.workload.templates)
    return dataclasses.replace(of, workload=dataclasses.replace(of.workload, templates=templates))
