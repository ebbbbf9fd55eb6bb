"""Which share of good answers the search aims at, so that a proof is likely to show the floor."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from tuner.search.budget import PROOF_ANSWERS
from tuner.search.error import finalist_error
from tuner.spec.study import Study
from tuner.stats.paired import pairs_needed
from tuner.stats.shares import MIXTURE_COST, answers_needed


def provable_floor(study: Study, floor: float) -> float:
    """Return the share of good answers at which a proof is likely to show a floor.

    The least of which the answers that count are as many as `stats.shares.answers_needed`. Never
    more than there can be.
    """
    return _least_above(floor, _counted_answers(study), finalist_error(study, 0))


@cache
def _least_above(floor: float, n: int, alpha: float) -> float:
    """Return the least share of n answers that shows a floor.

    At most one at which less than one in n answers is bad: 1 would leave no candidate any
    chance, and nothing to rank them by.
    """
    high = max(floor, 1 - 0.5 / max(n, 1))
    return _least(floor, high, lambda share: answers_needed(share, floor, alpha) <= n)


def _least(low: float, high: float, enough: Callable[[float], bool]) -> float:
    """Return the least value that is enough, to a five-thousandth; `high` where none is."""
    if not enough(high):
        return high
    for _ in range(12):
        middle = (low + high) / 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def provable_drop(study: Study, least: float) -> float:
    """Return the share of right answers at which `max_drop` is likely to be shown.

    `least` is the share that it allows: the baseline's less the margin. Both sides are assumed to
    err independently; `stats.paired.pairs_needed` says how many pairs that takes.
    """
    margin = study.guard.max_drop or 0.0
    n, alpha = _counted_answers(study), finalist_error(study, 0)
    found = _least_share(round(least + margin, 3), margin, n, alpha)
    return max(found, min(least, 1.0))


@cache
def _least_share(baseline: float, margin: float, n: int, alpha: float) -> float:
    """Return the least share of right answers whose drop below a baseline's n pairs show."""
    right = min(max(baseline, 0.0), 1.0)

    def needed(share: float) -> float:
        discordance = right * (1 - share) + share * (1 - right)
        least = max(discordance, abs(share - right))
        return MIXTURE_COST * pairs_needed(least, margin, share - right, alpha)

    low, high = max(right - margin, 0.0), 1 - 0.5 / max(n, 1)
    return max(low, high) if low >= high else _least(low, high, lambda s: needed(s) <= n)


def _counted_answers(study: Study) -> int:
    """Return how many answers of a proof the guard counts: the first one to each template."""
    return min(study.workload.proof_templates, PROOF_ANSWERS)
