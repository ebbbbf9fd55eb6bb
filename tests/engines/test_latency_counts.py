"""Counters of latencies tell an interval of late requests, and say when they began anew."""

from __future__ import annotations

import math

import pytest

from tuner.engines.latency_counts import LatencyCounts, grown, is_histogram, late

STEPS = {0.3: 10.0, 0.5: 16.0, 1.0: 19.0, math.inf: 20.0}


@pytest.mark.parametrize(
    ("target_s", "expected"),
    [
        (0.5, (4, 4)),
        (0.4, (4, 10)),
        (0.1, (10, 20)),
        (2.0, (0, 1)),
    ],
)
def test_between_two_edges_a_request_may_be_late_or_not(
    target_s: float, expected: tuple[int, int]
) -> None:
    """At an edge both counts are one; beside it they are those of its neighbours."""
    assert late(STEPS, target_s) == expected


def counts(factor: float = 1.0, **more: float) -> LatencyCounts:
    """Return counters of end-to-end latencies."""
    return LatencyCounts({"e2e": {e: c * factor for e, c in STEPS.items()}}, **more)


def test_growth_is_the_difference() -> None:
    """Of each edge."""
    found = grown(counts(), counts(3))

    assert found is not None
    assert found.steps["e2e"] == {e: c * 2 for e, c in STEPS.items()}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (counts(2), counts(1)),
        (counts(1, started=5.0), counts(2, started=6.0)),
    ],
)
def test_another_server_is_noticed(before: LatencyCounts, after: LatencyCounts) -> None:
    """By counters that went back, or by the time of its start."""
    assert grown(before, after) is None


def test_a_start_that_is_not_told_is_no_other_start() -> None:
    """Some servers do not tell it, or not always."""
    assert grown(counts(1, started=5.0), counts(2)) is not None


def test_other_edges_tell_nothing() -> None:
    """A metric whose edges changed, or that is gone, is unknown."""
    other = LatencyCounts({"e2e": {1.0: 30.0, math.inf: 40.0}})

    for after in (other, LatencyCounts({"ttft": STEPS})):
        found = grown(counts(), after)
        assert found is not None
        assert found.steps == {}


def test_a_histogram_never_falls() -> None:
    """And has an edge for all."""
    assert is_histogram(STEPS)
    assert not is_histogram({0.3: 5.0, math.inf: 4.0})
    assert not is_histogram({0.3: 5.0})
