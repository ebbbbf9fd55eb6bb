"""What a server counts of all its requests goes before what a few of ours show."""

from __future__ import annotations

import pytest

from tuner.advice.diagnosis.figures import Figures
from tuner.engines.latency_counts import LatencyCounts
from tuner.workflow.advising.server_figures import with_others

OWN = Figures(p50=0.1, p99=0.2, ttft_p50=0.05, prefill=0.04, decode=0.05, queue=0.0,
              queue_p99=0.01, in_flight=1)  # fmt: skip
ALL = float("inf")


def counts(low: float, middle: float, every: float) -> LatencyCounts:
    """Return counters with edges at 0.5 and 1 s."""
    return LatencyCounts({"e2e": {0.5: low, 1.0: middle, ALL: every}}, started=1.0)


def test_few_requests_of_ours_carry_no_p99_and_no_load() -> None:
    """They went out one after another, whatever others sent meanwhile."""
    found = with_others(OWN, 30, None, None, 10.0)

    assert (found.p50, found.p99, found.queue_p99, found.in_flight) == (0.1, None, None, None)
    assert found.prefill == 0.04
    assert with_others(OWN, 100, None, None, 10.0).p99 == 0.2


def test_counters_tell_the_rate_of_all() -> None:
    """By how much they grew while ours were sent."""
    found = with_others(OWN, 30, counts(10, 20, 20), counts(30, 60, 60), 20.0)

    assert found.rate == 2.0
    assert found.p50 == 0.1


def test_enough_counted_requests_tell_the_latencies_of_all() -> None:
    """Between two edges in proportion; the parts of our requests are then not theirs."""
    found = with_others(OWN, 30, counts(100, 200, 200), counts(200, 400, 400), 10.0)

    assert found.p50 == pytest.approx(0.5)
    assert found.p99 == pytest.approx(0.99)
    assert (found.prefill, found.queue, found.rate) == (None, None, 20.0)


def test_a_p99_beyond_the_last_edge_is_not_made_up() -> None:
    """Nobody knows how long the slowest took, so ours stay."""
    found = with_others(OWN, 30, counts(100, 100, 200), counts(200, 200, 400), 10.0)

    assert (found.p50, found.p99) == (0.1, None)


def test_counters_that_began_anew_tell_no_rate() -> None:
    """The server was started again meanwhile."""
    found = with_others(OWN, 30, counts(10, 20, 20), counts(1, 2, 2), 10.0)

    assert found.rate is None
