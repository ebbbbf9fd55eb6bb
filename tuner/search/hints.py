"""Values worth trying that follow from the workload or from what a trial measured.

An output limit bounds the latency of the longest answers: with the time to first token and
the time per output token measured, the limit that keeps a target can be computed. Where
answers are right or wrong, the least temperature is worth a look: sampling only adds errors.
Hints are proposals like any other: they are measured, and win or not.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from tuner.search.trial import Trial
from tuner.spec.space import Dimension, Range, Space
from tuner.spec.study import Study
from tuner.spec.values import Candidate, Sample, Setting

LIMIT, TEMPERATURE = "num_predict", "temperature"
_HEADROOM = 0.97
_ENOUGH = (0.9, 1.0)
"""Shares of the answers seen that a limit should leave whole."""


def values(study: Study, trial: Trial, name: str, dimension: Dimension) -> tuple[Setting, ...]:
    """Return values of a knob that are suggested for a trial's candidate; none for most knobs."""
    if name == TEMPERATURE and study.workload.expects:
        return _others((_nearest(dimension, 0.0),), trial, name)
    served = [s for s in trial.samples if s.outcome == "ok" and s.output_tokens]
    if name != LIMIT or len(served) < 5:
        return ()
    wanted = [_fast_enough(study, served), *_long_enough(served)]
    found = (_nearest(dimension, limit) for limit in wanted if limit is not None)
    return _others(found, trial, name)


def _others(found: Iterable[Setting], trial: Trial, name: str) -> tuple[Setting, ...]:
    return tuple(v for v in dict.fromkeys(found) if v != trial.candidate.get(name))


def tightened(study: Study, trial: Trial, trials: Sequence[Trial], space: Space) -> Candidate:
    """Return a trial's candidate with an output limit that keeps the target, if that is free.

    Free means that none of its answers was longer. Times per token are taken from all
    trials, since a machine's pace drifts while it is searched.
    """
    served = [s for s in trial.samples if s.outcome == "ok" and s.output_tokens]
    all_served = [s for t in trials for s in t.samples if s.outcome == "ok" and s.output_tokens]
    limit = _fast_enough(study, served, all_served) if served and LIMIT in space else None
    if limit is None:
        return trial.candidate
    value, now = _nearest(space[LIMIT], limit), trial.candidate[LIMIT]
    longest = max(s.output_tokens or 0 for s in served)
    looser = not isinstance(now, int | float) or 0 < now <= float(value)
    return (
        trial.candidate if looser or longest >= float(value) else {**trial.candidate, LIMIT: value}
    )


def _fast_enough(
    study: Study, served: Sequence[Sample], paced: Sequence[Sample] | None = None
) -> float | None:
    """Return the output limit at which a p99 request would just keep the e2e target."""
    targets = [s.max_s for s in study.slos if s.metric == "e2e"]
    per_token = float(np.quantile([s.latency_s("tpot") for s in paced or served], 0.9))
    if not targets or per_token <= 0:
        return None
    first = float(np.quantile([s.latency_s("ttft") for s in served], 0.95))
    return max(1.0, math.floor((_HEADROOM * min(targets) - first) / per_token) + 1)


def _long_enough(served: Sequence[Sample]) -> list[float]:
    """Return output limits that would have left most and all of the answers whole."""
    tokens = [s.output_tokens or 0 for s in served]
    return [float(math.ceil(np.quantile(tokens, share))) + 1 for share in _ENOUGH]


def _nearest(dimension: Dimension, value: float) -> Setting:
    """Return the largest value of the dimension that is not above `value`, or its smallest."""
    if isinstance(dimension, Range):
        return dimension.nearest(value - (dimension.step or 0) / 2)
    numbers = [v for v in dimension.values if isinstance(v, int | float)]
    return max((v for v in numbers if v <= value), default=min(numbers))
