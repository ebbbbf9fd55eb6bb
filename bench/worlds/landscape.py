"""What the whole space of a world holds: the best candidate, and the best that can be proven.

A candidate may be feasible and yet out of a proof's reach: late nearly as often as allowed, or
with a share of good answers just above its floor. A search is held against the best that a proof
can show within the budget; by what it is shown is computed here without the tuner's statistics.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy import special

from bench.worlds.behaviour import Floats
from bench.worlds.truth import Truth, grid, least_correct
from bench.worlds.world import World
from tuner.spec.values import Candidate

EVIDENCE = math.log(1 / 0.025)
"""The logarithm of the odds that a proof has to reach: 2.5 % of error for a first finalist."""

SHARE = 0.5
"""Share of the budget that goes into the proof's requests; the search, the baseline's and the
starts take the other half."""

KEPT = 50
"""So many of the best provable candidates are named."""


@dataclass(frozen=True, slots=True)
class Landscape:
    """What an enumeration of the space finds; p99s are inf and bests missing where nothing is.

    `provable` are the provable candidates with the least p99s, the least first.
    """

    size: int
    feasible_share: float
    provable_share: float
    best_p99_s: float
    best_provable_s: float
    best: Candidate | None
    provable: tuple[Candidate, ...]


@cache
def landscape(world: World) -> Landscape:
    """Return what an enumeration of the space finds, continuous ranges on a fine grid."""
    candidates = list(grid(world))
    truth = Truth(world, candidates)
    meets = truth.acceptable() & (truth.late(world.target_s) < 0.01)
    shown = meets & (needed(world, truth) <= affordable(world, truth))
    p99 = truth.quantile(0.99)
    best = _ordered(np.where(meets, p99, math.inf))
    provable = _ordered(np.where(shown, p99, math.inf))
    return Landscape(
        len(candidates),
        float(meets.mean()),
        float(shown.mean()),
        float(p99[best[0]]) if best else math.inf,
        float(p99[provable[0]]) if provable else math.inf,
        candidates[best[0]] if best else None,
        tuple(candidates[i] for i in provable[:KEPT]),
    )


def _ordered(values: Floats) -> list[int]:
    return [int(i) for i in np.argsort(values, kind="stable") if math.isfinite(values[i])]


def needed(world: World, truth: Truth) -> Floats:
    """Return how many requests a proof of each candidate takes, inf where none can be had.

    Wald's bound, evidence over what a request brings of it (Kullback and Leibler's divergence
    of the truth from the bound), for each claim the most. Requests in flight together may stall
    together: such a group counts as one towards the late rate.
    """
    guard = world.guard
    found = world.concurrency * _requests(1 - truth.late(world.target_s), world.slo.quantile)
    for share, floor in ((truth.valid, guard.min_valid), (truth.correct, guard.min_correct)):
        if floor is not None:
            found = np.maximum(found, _requests(share, floor))
    if guard.max_drop is not None:
        found = np.maximum(found, _pairs(truth.correct, least_correct(world), guard.max_drop))
    return found


def _requests(share: Floats, floor: float) -> Floats:
    """Return how many answers show that a share lies above a floor."""
    brought = special.rel_entr(share, floor) + special.rel_entr(1 - share, 1 - floor)
    return np.where(share > floor, EVIDENCE / np.maximum(brought, 1e-12), math.inf)


def _pairs(share: Floats, least: float, drop: float) -> Floats:
    """Return how many pairs show that a share is no more than `drop` below the baseline's.

    By the variance of the difference of answers that err independently; of answers that never
    differ each brings the drop itself.
    """
    base = least + drop
    gap = np.maximum(share - least, 1e-12)
    variance = share * (1 - share) + base * (1 - base)
    return EVIDENCE * np.maximum(2 * variance / gap**2, 1 / gap)


def affordable(world: World, truth: Truth) -> Floats:
    """Return how many requests of each candidate a proof can send within the budget."""
    return SHARE * world.budget_s * world.concurrency / truth.mean_s()


def best_p99(world: World) -> float:
    """Return the best p99 of a feasible candidate, inf where there is none."""
    return landscape(world).best_p99_s


def best_provable(world: World) -> float:
    """Return the best p99 of a candidate that a proof can show, inf where there is none."""
    return landscape(world).best_provable_s
