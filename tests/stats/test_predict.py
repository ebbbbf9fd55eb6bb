from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.stats.predict import late_probability, share_probability

LATENCIES = st.lists(st.floats(0.05, 20) | st.just(math.inf), min_size=1, max_size=30)
TARGETS = st.floats(0.01, 100)


@given(LATENCIES, TARGETS, TARGETS)
def test_a_longer_target_is_never_harder(latencies: list[float], one: float, other: float) -> None:
    """The probability of lateness lies in (0, 1) and falls as the target grows."""
    short, long = sorted((one, other))
    assert 0 < late_probability(latencies, long) <= late_probability(latencies, short) < 1


@given(LATENCIES, TARGETS, st.floats(1, 10))
def test_stretched_latencies_are_never_better(
    latencies: list[float], target: float, factor: float
) -> None:
    """A candidate that is slower throughout is more probably late, in ratio to the target."""
    slower = [factor * v for v in latencies]
    assert late_probability(slower, target) >= late_probability(latencies, target) - 1e-9
    assert late_probability(slower, factor * target) == pytest.approx(
        late_probability(latencies, target), abs=1e-6
    )


def test_predictions_hold_on_average(rng: np.random.Generator) -> None:
    """For log-normal latencies a predicted 10 % is late in 10 % of cases."""
    late, predicted = [], []
    for _ in range(2000):
        served = np.exp(rng.normal(0, 0.4, 21))
        predicted.append(late_probability(served[:20], 1.7))
        late.append(served[20] > 1.7)
    assert np.mean(predicted) == pytest.approx(np.mean(late), abs=0.025)
    assert 0.05 < np.mean(late) < 0.15


def test_two_latencies_give_the_textbook_value() -> None:
    """With logs of -1 and 1 the scale is sqrt(2) sqrt(3/2), and Student's t_1 gives 1/4."""
    target = math.exp(math.sqrt(3))
    assert late_probability([math.exp(-1), math.exp(1)], target) == pytest.approx(0.25)


def test_failures_count_apart_from_latencies() -> None:
    """One failure among twenty is worth 1.5 / 21 and leaves the spread as it was."""
    served = [0.1, 0.11] * 10
    assert late_probability(served, 10.0) < 1e-6
    assert late_probability([*served[1:], math.inf], 10.0) == pytest.approx(1.5 / 21, abs=1e-6)
    assert late_probability([math.inf] * 3, 10.0) > 0.99


def test_equal_latencies_are_not_believed_to_the_last_digit() -> None:
    """Twenty equal latencies leave 3 % of spread, so that a target 1 % away is open."""
    assert 0.2 < late_probability([1.0] * 20, 1.01) < 0.5
    assert late_probability([1.0] * 20, 1.0) == pytest.approx(0.5)
    assert late_probability([1.0], 1.2) > late_probability([1.0] * 20, 1.2)


@pytest.mark.parametrize(
    ("latencies", "target"), [([], 1.0), ([0.0], 1.0), ([math.nan], 1.0), ([1.0], 0.0)]
)
def test_what_is_no_latency_or_target_is_refused(latencies: list[float], target: float) -> None:
    """Latencies and the target are positive numbers."""
    with pytest.raises(ValueError, match="positive"):
        late_probability(latencies, target)


@given(st.integers(0, 50), st.integers(1, 50), st.floats(0.01, 0.99))
def test_each_success_makes_a_share_more_probable(
    successes: int, failures: int, floor: float
) -> None:
    """The posterior rises with every success and falls as the floor rises."""
    n = successes + failures
    assert share_probability(successes + 1, n, floor) >= share_probability(successes, n, floor)
    assert share_probability(successes, n, floor) >= share_probability(successes, n, floor + 0.01)


def test_share_probability_is_the_jeffreys_posterior() -> None:
    """Without data the prior is symmetric, and 20 of 20 leave about 85 % for 95 %."""
    assert share_probability(0, 0, 0.5) == pytest.approx(0.5)
    assert share_probability(20, 20, 0.95) == pytest.approx(0.850, abs=0.005)
    with pytest.raises(ValueError, match="cannot be"):
        share_probability(3, 2, 0.5)


@given(st.integers(0, 50), st.floats(-2, 3))
def test_a_share_beyond_its_ends_is_certain(successes: int, floor: float) -> None:
    """A probability for any floor: no share lies above 1, and each above a negative one."""
    found = share_probability(successes, 50, floor)

    assert 0 <= found <= 1
    assert floor < 1 or found == 0
    assert floor > 0 or found == 1


def test_a_floor_that_is_no_number_is_refused() -> None:
    """NaN is never passed on as a probability."""
    with pytest.raises(ValueError, match="nan"):
        share_probability(3, 20, math.nan)
