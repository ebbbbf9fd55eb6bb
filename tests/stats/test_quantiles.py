from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tuner.stats.eprocess import certify, fail_bets, pass_bets
from tuner.stats.quantiles import Bound, quantile, quantile_bounds

LATENCIES = st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=400)
QUANTILES = st.floats(0.01, 0.99)


@given(LATENCIES, QUANTILES, st.floats(0.005, 0.25))
@example([1.0, 2.0], 0.99, 0.025)
def test_bounds_are_order_statistics_around_the_value(
    values: list[float], q: float, alpha: float
) -> None:
    """Bounds are values that were measured or the quantile, which lies between them."""
    found = quantile_bounds(values, q, alpha)
    assert found.value == pytest.approx(float(np.quantile(values, q)))
    for bound, side in ((found.low, -1), (found.high, 1)):
        assert bound is None or bound in values or bound == found.value
        assert bound is None or side * (bound - found.value) >= 0


@given(LATENCIES, QUANTILES, st.randoms(use_true_random=False))
def test_bounds_ignore_the_order_of_the_requests(values: list[float], q: float, shuffler) -> None:
    """Shuffled requests have the same quantile and bounds."""
    shuffled = list(values)
    shuffler.shuffle(shuffled)
    assert quantile_bounds(shuffled, q) == quantile_bounds(values, q)


@given(LATENCIES, QUANTILES, st.integers(0, 40))
def test_a_failure_is_worse_than_any_latency(values: list[float], q: float, failures: int) -> None:
    """Failures act as latencies above all others, and what falls on them is None."""
    top = max(values)
    finite = quantile_bounds(values + [top * 2] * failures, q)
    failed = quantile_bounds(values + [math.inf] * failures, q)
    assert failed.low == (None if finite.low is not None and finite.low > top else finite.low)
    assert failed.high == (None if finite.high is not None and finite.high > top else finite.high)
    touched = math.ceil(q * (len(values) + failures - 1)) >= len(values)
    assert failed.value == (None if touched else finite.value)


def test_a_quantile_beside_a_failure_is_no_nan() -> None:
    """Interpolation that lands on a finite value next to a failure gives that value."""
    assert quantile([1.0, 2.0, math.inf], 0.5) == 2.0
    assert quantile([1.0, math.inf, math.inf], 0.75) == math.inf
    assert quantile_bounds([1.0, math.inf, math.inf], 0.75).value is None


def test_no_values_have_no_bounds() -> None:
    """Nothing measured gives three None, and a plain quantile refuses."""
    assert quantile_bounds([], 0.99) == Bound(None, None, None)
    with pytest.raises(ValueError, match="no values"):
        quantile([], 0.99)


@given(LATENCIES, st.floats(1e-3, 1e3), st.sampled_from([0.5, 0.7, 0.9]))
def test_a_target_has_passed_where_the_interval_ends_below_it(
    values: list[float], target: float, q: float
) -> None:
    """With the bets of a certificate, PASS and the upper end say the same."""
    found = quantile_bounds(values, q, 0.2, bets=(pass_bets(q), fail_bets(q)))
    verdict = certify(np.array(values) > target, q, 0.2).verdict
    at_or_above = found.high is not None and target >= found.high
    # The value itself stands in where interpolation puts it above the bound.
    assert (verdict == "PASS") >= at_or_above
    if verdict == "PASS":
        assert found.high is not None
        assert target >= found.high or found.high == found.value
    if verdict == "FAIL":
        assert found.low is not None


def test_the_upper_bound_appears_where_a_pass_without_late_requests_falls() -> None:
    """The largest of 409 values bounds the p99 at an error of 2.5 %, that of 408 does not."""
    assert quantile_bounds(np.arange(409), 0.99).high == 408
    assert quantile_bounds(np.arange(408), 0.99).high is None


@pytest.mark.parametrize("q", [0.5, 0.9])
def test_bounds_cover_the_true_quantile_at_an_n_that_was_chosen_by_looking(
    q: float, rng: np.random.Generator
) -> None:
    """Looking at 100, 200, ..., 800, at most 2.5 % of runs ever miss on either side."""
    truth, above, below = -math.log(1 - q), 0, 0
    for _ in range(200):
        values = rng.exponential(size=800)
        found = [quantile_bounds(values[:n], q) for n in range(100, 801, 100)]
        above += any(f.low is not None and f.low > truth for f in found)
        below += any(f.high is not None and f.high < truth for f in found)
    assert above <= 12
    assert below <= 12


@pytest.mark.parametrize("values", [[math.nan], [1.0, -math.inf]])
def test_what_is_no_latency_is_refused(values: list[float]) -> None:
    """NaN and -inf are no latencies."""
    with pytest.raises(ValueError, match="latencies"):
        quantile_bounds(values, 0.5)


@pytest.mark.parametrize("q", [0.0, 1.0, 99])
def test_a_quantile_outside_its_range_is_refused(q: float) -> None:
    """A quantile lies strictly between 0 and 1."""
    with pytest.raises(ValueError, match="between 0 and 1"):
        quantile_bounds([1.0], q)
