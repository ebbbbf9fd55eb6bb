"""The latencies of a measurement, in order of size and thinned out where they are many."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from tuner.spec.values import Metric, Sample
from tuner.store.trial_folder import StoredTrial

MOST_POINTS = 300
SLOWEST = 60
"""So many of the slowest are kept, whatever else is left out: targets are about them."""

PHASES = ("measure", "confirmation")
"""What is measured for a verdict, and not for the search."""


def samples_of(trials: Iterable[StoredTrial], document: Mapping[str, Any]) -> list[Sample] | None:
    """Return the samples that a measurement was computed from, None where some are missing."""
    found = [
        sample
        for trial in trials
        if trial.place.phase in PHASES and dict(trial.candidate) == document["candidate"]
        for sample in trial.measured.counted
    ]
    return found if len(found) == document["n"] else None


def in_order_of_size(
    samples: Sequence[Sample], metric: Metric, *, scheduled: bool
) -> dict[str, Any]:
    """Return the latencies of one metric as `points`, each `[rank, seconds]`, ranks from 1.

    `n` requests have a known latency, those that `never` ended among them, which come after all
    points; of `unknown` ones nobody knows it. Where there are more than MOST_POINTS, some ranks are
    left out, none of the `slowest`; `gap` is the largest number left out in a row.
    """
    seconds = [s.latency_s(metric, scheduled=scheduled) for s in samples]
    known = sorted(value for value in seconds if not math.isnan(value))
    ended = [value for value in known if math.isfinite(value)]
    ranks = _kept_ranks(len(ended))
    return {
        "n": len(known),
        "never": len(known) - len(ended),
        "unknown": len(seconds) - len(known),
        "drawn": len(ranks),
        "slowest": min(SLOWEST, len(ended)),
        "gap": max((b - a - 1 for a, b in pairwise(ranks)), default=0),
        "points": [[rank, ended[rank - 1]] for rank in ranks],
    }


def _kept_ranks(n: int) -> list[int]:
    """Return the ranks that are kept of n: all, or the first, every so many, and the last ones."""
    if n <= MOST_POINTS:
        return list(range(1, n + 1))
    first, last = n - SLOWEST, range(n - SLOWEST + 1, n + 1)
    spread = np.unique(np.linspace(1, first, MOST_POINTS - SLOWEST).round().astype(int))
    return [*map(int, spread), *last]
