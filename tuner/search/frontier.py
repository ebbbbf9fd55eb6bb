"""The Pareto set: the trials that no other trial beats in everything.

Its points are estimates of the search, no verdicts. They show what could be had instead;
`--objective` picks among them under the same SLO.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tuner.evaluate.estimates import shares, tokens_per_s
from tuner.search.trial import Trial, p99_s
from tuner.spec.study import Study


@dataclass(frozen=True, slots=True)
class Point:
    """A trial's estimates: p99 of the end-to-end latency, shares, output rate, memory.

    None is unknown: such a rate or memory is never the best.
    """

    trial: Trial
    e2e_p99_s: float
    correct: float
    tokens_per_s: float | None
    memory_bytes: int | None

    @property
    def costs(self) -> tuple[float, ...]:
        """Return what should be small: latency and memory as they are, the others negated."""
        rate = -math.inf if self.tokens_per_s is None else self.tokens_per_s
        memory = math.inf if self.memory_bytes is None else float(self.memory_bytes)
        return (self.e2e_p99_s, -self.correct, -rate, memory)


def frontier(study: Study, trials: Sequence[Trial]) -> list[Point]:
    """Return the points of completely measured trials that none dominates, fastest first."""
    points = [_point(study, t) for t in trials if t.state == "complete"]
    best = [p for p in points if not any(_dominates(q, p) for q in points)]
    return sorted(best, key=lambda p: p.costs)


def _point(study: Study, trial: Trial) -> Point:
    samples = trial.samples
    return Point(
        trial, p99_s(study, samples), shares(samples)[1], tokens_per_s(samples), trial.memory_bytes
    )


def _dominates(one: Point, other: Point) -> bool:
    pairs = list(zip(one.costs, other.costs, strict=True))
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)
