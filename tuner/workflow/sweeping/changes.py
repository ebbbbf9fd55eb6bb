"""How the figures of a swept value differ from the baseline's, beyond what chance shows."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

import numpy as np

from tuner.evaluate.breakdown import timings
from tuner.evaluate.sweep import Change, Figure
from tuner.guard.verdict import first_answers, is_correct, paired
from tuner.spec.values import Sample
from tuner.stats.gains import Estimate, Sides, mean_and_median, quantile_log_ratio
from tuner.stats.noise import LEAST_CHANGE, level_ratio
from tuner.stats.paired import difference_bounds
from tuner.stats.quantiles import Bound
from tuner.store.trial_folder import StoredTrial
from tuner.workflow.measuring.pairs import Floats, sides

FIGURES: tuple[Figure, ...] = ("prefill p50", "ttft p50", "e2e p50", "e2e p99", "memory")
_NOTHING = Bound(None, None, None)


def confidence(values: int) -> float:
    """Return the confidence of each interval, so that those of all values hold together at 95 %."""
    return 1 - 0.05 / (values * (len(FIGURES) + 1))  # the share of correct answers is one more


def prefill_s(sample: Sample) -> float:
    """Return the engine's own seconds of reading a prompt; inf if failed, NaN if unknown."""
    if not math.isfinite(sample.latency_s("e2e")):
        return math.inf
    told = timings(sample.server)
    return math.nan if told is None else told.prefill_s


def changes(
    ours: Sequence[StoredTrial], base: Sequence[StoredTrial], sure: float, *, scheduled: bool
) -> tuple[Change, ...]:
    """Return how each figure differs; `sure` is the confidence of each interval.

    The sides took turns, so the noise floor is that of `tune run`: what their blocks leave open,
    and never less than LEAST_CHANGE.
    """
    mine, theirs = _samples(ours), _samples(base)
    error = (1 - sure) / 2

    def latency(metric: str) -> Callable[[Sample], float]:
        return lambda s: s.latency_s(metric, scheduled=scheduled)  # type: ignore[arg-type]

    found: dict[Figure, Estimate | None] = {
        "prefill p50": _median(mine, theirs, prefill_s, error),
        "ttft p50": _median(mine, theirs, latency("ttft"), error),
        "e2e p50": _median(mine, theirs, latency("e2e"), error),
        "e2e p99": _quantile(mine, theirs, latency("e2e"), 0.99, error),
    }
    told = [_change(figure, estimate) for figure, estimate in found.items()]
    return (*told, _memory(ours, base, sure))


def _samples(trials: Sequence[StoredTrial]) -> list[Sample]:
    return [sample for trial in trials for sample in trial.measured.counted]


def _change(figure: Figure, found: Estimate | None) -> Change:
    if found is None:
        return Change(figure, _NOTHING, None)
    return Change(figure, found.ratio, max(found.floor, LEAST_CHANGE))


def _median(
    ours: Sequence[Sample], theirs: Sequence[Sample], of: Callable[[Sample], float], error: float
) -> Estimate | None:
    both = _paired(ours, theirs, of)
    return None if both is None else mean_and_median(*both, (error, error))[1]


def _quantile(
    ours: Sequence[Sample],
    theirs: Sequence[Sample],
    of: Callable[[Sample], float],
    q: float,
    error: float,
) -> Estimate | None:
    both = _paired(ours, theirs, of)
    return None if both is None else quantile_log_ratio(*both, q, error)


def _paired(
    ours: Sequence[Sample], theirs: Sequence[Sample], of: Callable[[Sample], float]
) -> tuple[Sides, Floats] | None:
    """Return both sides and a time of each request, None where one is unknown or all are zero."""
    seconds = np.array([of(sample) for sample in (*ours, *theirs)])
    known = seconds > 0
    if not ours or not theirs or np.isnan(seconds).any() or not known.any():
        return None
    return sides(ours, theirs, interleaved=True).only(known), seconds[known]


def _memory(ours: Sequence[StoredTrial], base: Sequence[StoredTrial], sure: float) -> Change:
    """Return how the memory of blocks differs; a start is seen once, as its level."""
    mine, theirs = (list(_bytes(trials)) for trials in (ours, base))
    if len(mine) < len(ours) or len(theirs) < len(base):
        return Change("memory", _NOTHING, None)
    ratio = level_ratio(mine, theirs, sure)
    return Change("memory", ratio, None if ratio.value is None else LEAST_CHANGE)


def _bytes(trials: Sequence[StoredTrial]) -> Iterator[float]:
    return (float(t.measured.memory_bytes) for t in trials if t.measured.memory_bytes)


def correct(
    ours: Sequence[StoredTrial], base: Sequence[StoredTrial], sure: float
) -> tuple[Bound | None, int]:
    """Return the share of correct answers minus the baseline's, and on how many same prompts.

    None without any. Each template counts once, since answers to one have much in common.
    """
    pairs = [(y, x) for y, x in paired(first_answers(_samples(ours)), _samples(base))
             if x.cluster == y.cluster]  # fmt: skip
    if not pairs:
        return None, 0
    mine, theirs = ([is_correct(pair[at]) for pair in pairs] for at in (0, 1))
    return difference_bounds(mine, theirs, sure), len(pairs)


def by_side(trials: Sequence[StoredTrial]) -> dict[str, list[StoredTrial]]:
    """Return the trials of each side, in their order."""
    ordered = sorted(trials, key=lambda t: str(t.place.side))
    return {str(side): list(of) for side, of in groupby(ordered, key=lambda t: str(t.place.side))}
