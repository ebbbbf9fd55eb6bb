"""Measure sides in pairs of blocks: the same fresh prompts for all, in an order drawn each time."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import numpy as np

from tuner.evaluate.measured import Measured
from tuner.search.budget import (
    LEAST_LOOK,
    LEAST_WAVES,
    TYPICAL_LATE_RATE,
    Pace,
    in_flight,
    proof_requests,
)
from tuner.spec.requests.workload import Supply
from tuner.spec.study import Study
from tuner.spec.values import Candidate, Prompt, Sample
from tuner.store.trial_folder import Place, StoredTrial
from tuner.workflow.measuring.session import Session
from tuner.workflow.measuring.trial_spec import TrialSpec

S = TypeVar("S", bound=str)
"""The name of a side."""

Pair: TypeAlias = Mapping[S, Measured]
"""A block of each side, on the same prompts; without some where a comparison was cut off."""

PHASE = "confirmation"


@dataclass(frozen=True, slots=True)
class Contestant:
    """A candidate on the engine of a session.

    With `own` the engine is ours: each block has a start of its own, so that no side has the
    other's cache, and serves the model that the candidate's own Modelfile makes.
    """

    session: Session
    candidate: Candidate
    own: bool = True


def stored_pairs(stored: Sequence[StoredTrial], sides: Iterable[S]) -> dict[int, dict[S, Measured]]:
    """Return the pairs of what was measured before, by their number."""
    pairs: dict[int, dict[S, Measured]] = {}
    for side, trial in itertools.product(sides, stored):
        place = trial.place
        if place.phase == PHASE and place.side == side and trial.measured.counted:
            pairs.setdefault(place.number or 0, {})[side] = trial.measured
    return pairs


async def measure_pair(
    sides: Mapping[S, Contestant],
    number: int,
    prompts: list[Prompt],
    rng: np.random.Generator,
    take: Callable[[S, Measured], bool],
) -> None:
    """Measure a block of each side in random order; `take` tells whether to go on."""
    for place in rng.permutation(len(sides)):
        side = list(sides)[place]
        if not take(side, await _block(sides[side], side, number, prompts)):
            return


async def _block(who: Contestant, side: str, number: int, prompts: list[Prompt]) -> Measured:
    session = who.session

    def stop(sample: Sample) -> bool:
        return session.left_s() <= 0

    spec = TrialSpec(
        f"pair-{number:04d}-{side}", Place(PHASE, number, side=side), iter(prompts), len(prompts),
        stop, fresh=who.own, as_model=who.own,
    )  # fmt: skip
    return await session.measure(who.candidate, spec)


def fresh_prompts(study: Study, asked: int) -> itertools.islice[Prompt]:
    """Return held-out prompts that were not asked before, from the first template not asked.

    So many were asked already; what fills the slots is drawn anew.
    """
    supply = Supply(study.workload, held_out=True, seed=study.seed)
    return itertools.islice(supply.prompts(time.time_ns() // 10**9), asked, None)


def block_size(study: Study, alpha: float, pairs: int) -> int:
    """Return how many requests a block has.

    Those that a proof of every target at an error of `alpha` is expected to take are spread over
    so many pairs.
    """
    needed = proof_requests(study, alpha, TYPICAL_LATE_RATE / 0.01)
    least = math.ceil(LEAST_WAVES * in_flight(study))
    return max(math.ceil(needed / pairs), LEAST_LOOK, least)


def pair_s(pace: Pace, sides: int, n: int) -> float:
    """Return how many seconds blocks of `n` requests on so many sides are expected to take."""
    return sides * (pace.restart_s + (n + pace.warmups) * pace.request_s)
