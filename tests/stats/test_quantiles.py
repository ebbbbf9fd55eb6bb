from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tuner.stats.quantiles import Bound, minimum_n, quantile, quantile_bounds

LATENCIES = st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=400)
QUANTILES = st.floats(0.01, 0.99)


@given(LATENCIES, QUANTILES, st.floats(0.5, 0.99))
@example([1.0, 2.0], 0.99, 0.95)
def test_bounds_are_order_statistics_around_the_value(
    values: list[float], q: float, confidence: float
) -> None:
    """Bounds are values that were measured or the quantile, which lies between them."""
    found = quantile_bounds(values, q, confidence)
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


@pytest.mark.parametrize(("q", "confidence", "n"), [(0.99, 0.95, 299), (0.5, 0.95, 5)])
def test_minimum_n_is_where_the_upper_bound_appears(q: float, confidence: float, n: int) -> None:
    """The largest value bounds the quantile from exactly minimum_n values on."""
    two_sided = 2 * confidence - 1
    assert minimum_n(q, confidence) == n
    assert quantile_bounds(np.arange(n), q, two_sided).high == n - 1
    assert quantile_bounds(np.arange(n - 1), q, two_sided).high is None


def test_bounds_cover_the_true_quantile(rng: np.random.Generator) -> None:
    """Each side misses the true p90 in at most 2.5 % of samples of 200, up to chance."""
    truth = -math.log(0.1)
    found = [quantile_bounds(rng.exponential(size=200), 0.9) for _ in range(1500)]
    above = np.mean([f.low is not None and f.low > truth for f in found])
    below = np.mean([f.high is not None and f.high < truth for f in found])
    assert 0.005 < above < 0.036
    assert 0.005 < below < 0.036


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
    with pytest.raises(ValueError, match="between 0 and 1"):
        minimum_n(q, 0.95)
