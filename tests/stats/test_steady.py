"""When warming up may end: not while requests get faster, and at once where they do not."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.stats.steady import FASTER, steady

seconds = st.floats(1e-4, 1e3)


def requests_until_steady(latencies: list[float], k: int) -> int:
    """Return after how many requests the rule is content."""
    return next(n for n in range(len(latencies) + 1) if steady(latencies[:n], k))


def test_what_is_steady_at_once_costs_two_requests() -> None:
    """Two like latencies are enough for one slot, eight for four."""
    assert requests_until_steady([0.1] * 9, 1) == 2
    assert requests_until_steady([0.1] * 9, 4) == 8


def test_a_cold_start_is_waited_for() -> None:
    """While each request is much faster than the one before, more are sent; then one to see it."""
    assert requests_until_steady([1.5, 0.8, 0.4, 0.15, 0.15, 0.15], 1) == 5


def test_a_filled_cache_costs_one_request_more() -> None:
    """The first request fills the prompt cache, the second profits, the third shows that."""
    assert requests_until_steady([0.150, 0.020, 0.021, 0.020], 1) == 3


def test_a_server_that_fails_at_first_is_waited_for_and_a_dead_one_is_not() -> None:
    """Served after failed is a change for the better; failed after failed is not."""
    assert requests_until_steady([math.inf, 0.1, 0.1], 1) == 3
    assert requests_until_steady([math.inf, math.inf, 0.1], 1) == 2
    assert requests_until_steady([0.1, math.inf, 0.1], 1) == 2


@pytest.mark.parametrize(("spread", "most"), [(0.05, 0.005), (0.1, 0.08), (0.2, 0.25)])
def test_noise_alone_seldom_asks_for_more(
    spread: float, most: float, rng: np.random.Generator
) -> None:
    """The shares of needless requests that the docstring gives are those of a simulation."""
    pairs = np.exp(rng.normal(0, spread, (4000, 2)))
    assert sum(not steady(pair, 1) for pair in pairs) / len(pairs) < most


@given(values=st.lists(seconds, min_size=2, max_size=20), k=st.integers(1, 5))
def test_slower_is_never_unsteady(values: list[float], k: int) -> None:
    """Latencies in rising order are steady as soon as there are enough of them."""
    assert steady(sorted(values), k) == (len(values) >= 2 * k)


@given(values=st.lists(seconds, min_size=1, max_size=20), k=st.integers(1, 5))
def test_the_unit_does_not_matter(values: list[float], k: int) -> None:
    """Only ratios count: doubling every latency changes nothing."""
    assert steady(values, k) == steady([2 * v for v in values], k)


@given(k=st.integers(1, 5), level=seconds)
def test_a_clear_drop_is_unsteady(k: int, level: float) -> None:
    """Latencies that are faster by more than the limit than those before are not steady."""
    assert not steady([level] * k + [level * (0.99 - FASTER)] * k, k)


@pytest.mark.parametrize(("k", "faster"), [(0, 0.2), (1, 0.0), (1, 1.0)])
def test_impossible_terms_are_errors(k: int, faster: float) -> None:
    """Windows of nothing and limits of nothing or all are refused."""
    with pytest.raises(ValueError, match="k >= 1"):
        steady([1.0, 1.0], k, faster)
