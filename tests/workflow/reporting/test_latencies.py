"""Latencies are thinned out without losing the slowest, and without hiding how many are left."""

from __future__ import annotations

import math
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tuner.spec.values import Sample
from tuner.workflow.reporting.latencies import MOST_POINTS, SLOWEST, in_order_of_size


def sample(seconds: float | None) -> Sample:
    """Return a request that took so long; None for one that failed."""
    last = None if seconds is None else round(seconds * 1e9)
    return Sample(
        "p", "k", 0, 0, last, last, 0, 5, 3, "stop", "error" if last is None else "ok", None, "a"
    )


@given(st.lists(st.one_of(st.none(), st.floats(0.001, 9)), max_size=900))
def test_points_are_order_statistics(latencies: list[float | None]) -> None:
    """Each has its true rank; gaps are told; failed requests count and have no point."""
    told = in_order_of_size([sample(s) for s in latencies], "e2e", scheduled=False)
    ended = sorted(round(s * 1e9) / 1e9 for s in latencies if s is not None)

    assert (told["n"], told["never"]) == (len(latencies), len(latencies) - len(ended))
    assert len(told["points"]) == told["drawn"] <= MOST_POINTS
    assert all(math.isclose(ended[rank - 1], s) for rank, s in told["points"])
    ranks = [rank for rank, _ in told["points"]]
    assert ranks == sorted(set(ranks))
    assert ranks[-SLOWEST:] == list(range(len(ended) + 1))[1:][-SLOWEST:]
    assert told["gap"] == max((b - a - 1 for a, b in pairwise(ranks)), default=0)
