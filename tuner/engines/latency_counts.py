"""How long all requests of a server took, as its own counters tell: whoever sent them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from tuner.spec.values import Metric

Steps = Mapping[float, float]
"""Edge in seconds -> how many requests took at most so long; the edge of all is infinite."""


@dataclass(frozen=True, slots=True)
class LatencyCounts:
    """The counters of a server at one time, since it `started`; it is None where that is not told.

    A metric that is not counted is not there. `in_flight` is how many requests there are now,
    None where that is not told.
    """

    steps: Mapping[Metric, Steps] = field(default_factory=dict)
    in_flight: float | None = None
    started: float | None = None


@dataclass(frozen=True, slots=True)
class Grown:
    """By how much the counters of each metric grew between two times."""

    steps: Mapping[Metric, Steps]


def is_histogram(steps: Steps) -> bool:
    """Tell whether steps are those of a histogram: never falling, with one edge for all."""
    counts = [steps[edge] for edge in sorted(steps)]
    return float("inf") in steps and all(one <= other for one, other in pairwise(counts))


def grown(before: LatencyCounts, after: LatencyCounts) -> Grown | None:
    """Return by how much counters grew, None where they began anew meanwhile.

    So they did where one went back, or where the server started at another time. A metric whose
    edges changed, or that one of both lacks, is unknown.
    """
    both = [m for m in before.steps if before.steps[m].keys() == after.steps.get(m, {}).keys()]
    more = {m: _more(before.steps[m], after.steps[m]) for m in both}
    back = any(count < 0 for steps in more.values() for count in steps.values())
    if back or _another(before.started, after.started):
        return None
    return Grown({m: steps for m, steps in more.items() if is_histogram(steps)})


def _another(one: float | None, other: float | None) -> bool:
    return one is not None and other is not None and one != other


def _more(before: Steps, after: Steps) -> dict[float, float]:
    return {edge: after[edge] - before[edge] for edge in before}


def late(steps: Steps, target_s: float) -> tuple[int, int]:
    """Return (surely, perhaps) how many requests took longer than a target.

    Those between the two neighbouring edges of the target may be either; where an edge is the
    target itself, both are one number.
    """
    total = steps[float("inf")]
    within = max((e for e in steps if e <= target_s), default=None)
    beyond = min(e for e in steps if e >= target_s)
    least = total - steps[beyond]
    return round(least), round(total if within is None else total - steps[within])
