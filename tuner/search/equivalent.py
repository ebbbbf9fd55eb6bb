"""Knobs whose values make no difference that matters, as trials that differ in nothing else show.

Two one-sided tests (Schuirmann 1987) of the mean logarithm of a latency: each pair of trials gives
a ratio with its error, all pairs of a knob are pooled by their precision, and the interval of the
pooled ratio has to lie within EQUAL on both sides. Answers must be as often right, too.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tuner.evaluate.estimates import shares
from tuner.search.trial import Trial
from tuner.spec.space import Space
from tuner.spec.values import Candidate, Metric, Setting

EQUAL = 0.05
"""The relative difference that counts as none: what `compare` asks a gain to exceed."""

LEAST_PAIRS = 4
FEW_VALUES = 4
"""A knob with more values than this is not tested: its pairs would say little of each."""

_Z = 1.645
"""The 95 % point of the normal distribution: each side is tested at 5 %."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two trials that differ in one knob: its values, the log ratio, its variance, the answers."""

    values: tuple[Setting, Setting]
    ratio: float
    variance: float
    correct: float


def equivalent(
    space: Space, trials: Sequence[Trial], metric: Metric, knobs: Sequence[str]
) -> Mapping[str, str]:
    """Return which of the knobs make no difference, and how that shows, by knob."""
    found = {}
    for name in knobs:
        if name not in space or len(space[name]) > FEW_VALUES:
            continue
        pairs = list(_pairs(name, trials, metric))
        if len(pairs) >= LEAST_PAIRS and _all_meet(pairs, len(space[name])) and _equal(pairs):
            found[name] = (
                f"no difference above {EQUAL:.0%} in {metric} between {len(pairs)} pairs of trials"
            )
    return found


def _pairs(name: str, trials: Sequence[Trial], metric: Metric) -> Iterator[Pair]:
    """Yield the pairs of fully measured trials that differ in one knob alone."""
    whole = [t for t in trials if t.state == "complete" and t.same_as is None and t.of is None]
    for a, b in itertools.combinations(whole, 2):
        if _only_difference(a.candidate, b.candidate) == name:
            first, second = _logs(a, metric), _logs(b, metric)
            if len(first) > 1 and len(second) > 1:
                yield Pair(
                    (a.candidate[name], b.candidate[name]),
                    float(second.mean() - first.mean()),
                    float(first.var(ddof=1) / len(first) + second.var(ddof=1) / len(second)),
                    shares(b.samples)[1] - shares(a.samples)[1],
                )


def _only_difference(a: Candidate, b: Candidate) -> str | None:
    differing = [name for name in a if a[name] != b.get(name)]
    return differing[0] if len(differing) == 1 else None


def _logs(trial: Trial, metric: Metric) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    seconds = [s.latency_s(metric) for s in trial.samples]
    return np.log([s for s in seconds if math.isfinite(s) and s > 0])


def _all_meet(pairs: Sequence[Pair], values: int) -> bool:
    """Tell whether the pairs tie all values together, directly or over others."""
    groups: list[set[Setting]] = []
    for pair in pairs:
        joined = set(pair.values).union(*(g for g in groups if g & set(pair.values)))
        groups = [g for g in groups if not g & joined] + [joined]
    return len(groups) == 1 and len(groups[0]) == values


def _equal(pairs: Sequence[Pair]) -> bool:
    """Tell whether every tie between two values is within EQUAL, and answers are as often right."""
    ties: dict[frozenset[Setting], list[Pair]] = {}
    for pair in pairs:
        ties.setdefault(frozenset(pair.values), []).append(pair)
    return all(map(_tie_equal, ties.values()))


def _tie_equal(pairs: Sequence[Pair]) -> bool:
    first = pairs[0].values
    signs = np.array([1.0 if p.values == first else -1.0 for p in pairs])
    weights = 1 / np.maximum([p.variance for p in pairs], 1e-12)
    mean = float((signs * [p.ratio for p in pairs]) @ weights / weights.sum())
    widest = abs(mean) + _Z / math.sqrt(weights.sum())
    correct = float(np.mean(signs * [p.correct for p in pairs]))
    return widest < math.log1p(EQUAL) and abs(correct) < EQUAL
