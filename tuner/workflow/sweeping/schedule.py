"""The order of a sweep's blocks, and how long they are expected to take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from tuner.evaluate.sweep import SweepPlan
from tuner.search.budget import expected_pace
from tuner.spec.study import Study
from tuner.spec.values import Candidate, Setting
from tuner.workflow.sweeping.asked import Asked

Swept: TypeAlias = Mapping[tuple[str, Setting], Candidate]
"""(knob, value) -> the whole candidate: the baseline with that value."""

BASELINE = "baseline"


@dataclass(frozen=True, slots=True)
class Block:
    """One uninterrupted run of requests: the `number`-th, in a round, of the baseline or a value.

    `side` is what the folder of its trial calls it.
    """

    number: int
    round: int
    side: str
    candidate: Candidate


def side_of(knob: str, value: Setting) -> str:
    """Return how the blocks of a value are called."""
    return f"{knob}={value}"


def blocks(base: Candidate, swept: Swept, rounds: int, seed: int) -> tuple[Block, ...]:
    """Return all blocks in their order: in each round every value once, at random places.

    The baseline comes before each of them, so that a machine that drifts or is disturbed for a
    while does not look like a value, and what is known of the baseline's blocks suits them all.
    """
    rng, found = np.random.default_rng([seed, 4711]), list[Block]()
    values = list(swept.items())
    for number in range(rounds):
        for at in rng.permutation(len(values)):
            (knob, value), candidate = values[at]
            found.append(Block(len(found), number, BASELINE, base))
            found.append(Block(len(found), number, side_of(knob, value), candidate))
    return tuple(found)


def sweep_plan(study: Study, asked: Asked) -> SweepPlan:
    """Return the plan of a sweep at the pace that the study's target asks for."""
    count, pace = 2 * len(asked) * asked.rounds, expected_pace(study)
    starts = 0 if study.one_start else count
    requests = count * asked.block
    sending_s = (requests + count * pace.warmups) * pace.request_s
    seconds = sending_s + starts * pace.restart_s
    return SweepPlan(asked.values, count, requests, starts, seconds, pace.request_s)


def left_s(took: Sequence[float], left: int) -> float:
    """Return the seconds that so many blocks will take, by the mean of those before."""
    return left * sum(took) / len(took) if took else 0.0
