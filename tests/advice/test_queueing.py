"""A queue gives the waits of the books, and the same ones each time."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuner.advice.queueing import Traffic, sojourn

CVS = st.sampled_from([0.0, 0.1, 0.3, 0.6])


@pytest.mark.parametrize(
    ("load", "low_ms", "high_ms"), [(0.25, 1120, 1260), (0.30, 1200, 1380), (0.35, 1350, 1510)]
)
def test_one_slot_has_the_p99_that_was_simulated_elsewhere(
    load: float, low_ms: float, high_ms: float
) -> None:
    """A service of 0.42 s with a cv of 0 and of 0.3 (research/workflow.md, section 6)."""
    alike, unlike = (sojourn(Traffic(load, cv)).times(420).p99 for cv in (0.0, 0.3))

    assert alike == pytest.approx(low_ms, rel=0.03)
    assert unlike == pytest.approx(high_ms, rel=0.03)


@pytest.mark.parametrize(
    ("slots", "slower", "ms"), [(2, 1.0, 830), (4, 1.0, 800), (2, 1.3, 1100), (4, 1.3, 1040)]
)
def test_several_slots_have_the_p99_that_was_simulated_elsewhere(
    slots: int, slower: float, ms: float
) -> None:
    """The same service at a cv of 0.3 and a load of 0.3, unchanged and 30 % slower."""
    found = sojourn(Traffic(0.3 * slower, 0.3), slots).times(420 * slower)

    assert found.p99 == pytest.approx(ms, rel=0.06)


@pytest.mark.parametrize("load", [0.2, 0.5, 0.8])
def test_exponential_services_at_one_slot_have_the_known_law(load: float) -> None:
    """M/M/1: the time in the system is exponential with mean 1 / (1 - load)."""
    found = sojourn(Traffic(load, 1.0))

    assert found.p50 == pytest.approx(math.log(2) / (1 - load), rel=0.04)
    assert found.p99 == pytest.approx(math.log(100) / (1 - load), rel=0.04)


def test_without_load_there_is_the_service_alone() -> None:
    """A gamma distribution: of cv 0 one value, of cv 1 an exponential."""
    assert (sojourn(Traffic(0.0)).p50, sojourn(Traffic(0.0)).p99) == (1.0, 1.0)
    assert sojourn(Traffic(0.0, 1.0)).p99 == pytest.approx(math.log(100), rel=0.02)


@settings(max_examples=15, deadline=None)
@given(cv=CVS, slots=st.integers(1, 3), one=st.floats(0.01, 0.9), other=st.floats(0.01, 0.9))
def test_more_load_never_shortens_a_queue(cv: float, slots: int, one: float, other: float) -> None:
    """Nor does it for a quantile: the series of requests is the same."""
    less, more = sorted((one, other))
    a, b = (sojourn(Traffic(slots * u, cv), slots) for u in (less, more))

    assert a.p50 <= b.p50 + 1e-9
    assert a.p99 <= b.p99 + 1e-9


@settings(max_examples=10, deadline=None)
@given(cv=CVS, load=st.floats(0.01, 0.9), slots=st.integers(1, 4))
def test_one_more_slot_never_lengthens_a_queue(cv: float, load: float, slots: int) -> None:
    """At the same load in Erlang."""
    fewer, more = (sojourn(Traffic(load, cv), c) for c in (slots, slots + 1))

    assert more.p99 <= fewer.p99 + 1e-9


def test_what_is_cut_off_is_no_longer_than_that() -> None:
    """Services end at `longest`, and those that wait for them wait less."""
    free, cut = (sojourn(Traffic(0.5, 0.6, longest)) for longest in (None, 1.2))

    assert sojourn(Traffic(0.0, 0.6, 1.2)).p99 == pytest.approx(1.2)
    assert cut.p99 < free.p99


def test_a_server_that_is_full_has_no_end() -> None:
    """From a utilisation of 0.97 on the wait is infinite, with any number of slots."""
    assert sojourn(Traffic(0.98)).p99 == math.inf
    assert sojourn(Traffic(2.0), 2).p50 == math.inf


@pytest.mark.parametrize(("traffic", "slots"), [(Traffic(0.1), 0), (Traffic(-0.1), 1),
                                                (Traffic(0.1, -1.0), 1)])  # fmt: skip
def test_what_is_no_queue_is_refused(traffic: Traffic, slots: int) -> None:
    """No slots, and what is negative."""
    with pytest.raises(ValueError, match="no queue"):
        sojourn(traffic, slots)
