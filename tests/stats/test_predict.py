from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.stats.predict import BEARS, PROOF, late_rates, proof_chance, share_probability

LATENCIES = st.lists(st.floats(0.05, 20) | st.just(math.inf), min_size=1, max_size=30)
LENGTHS = st.lists(st.floats(0.05, 20), min_size=30, max_size=30)
TARGETS = st.floats(0.01, 100)


@given(LATENCIES, LENGTHS, TARGETS, TARGETS)
def test_a_longer_target_is_never_harder(
    latencies: list[float], lengths: list[float], one: float, other: float
) -> None:
    """Late rates lie in [0, 1], and none rises as the target grows."""
    short, long = sorted((one, other))
    known = lengths[: len(latencies)]
    rates = late_rates(latencies, long, known)

    assert (rates >= 0).all()
    assert (rates <= late_rates(latencies, short, known) + 1e-12).all()
    assert (late_rates(latencies, short, known) <= 1).all()


@given(LATENCIES, TARGETS, st.floats(1, 10))
def test_stretched_latencies_are_never_better(
    latencies: list[float], target: float, factor: float
) -> None:
    """A candidate that is slower throughout is late more often, in ratio to the target."""
    slower, rates = [factor * v for v in latencies], late_rates(latencies, target)

    assert (late_rates(slower, target) >= rates - 1e-9).all()
    assert late_rates(slower, factor * target) == pytest.approx(rates, abs=1e-6)


@given(LATENCIES, LENGTHS, TARGETS, st.floats(0.1, 10))
def test_the_scale_of_the_lengths_does_not_matter(
    latencies: list[float], lengths: list[float], target: float, factor: float
) -> None:
    """Tokens would do as well as seconds: only their ratios count."""
    known = np.array(lengths[: len(latencies)])
    rates = late_rates(latencies, target, known)

    assert late_rates(latencies, target, factor * known) == pytest.approx(rates, abs=1e-6)


def test_predictions_hold_on_average(rng: np.random.Generator) -> None:
    """For log-normal latencies a predicted 10 % is late in 10 % of cases."""
    late, predicted = [], []
    for _ in range(2000):
        served = np.exp(rng.normal(0, 0.4, 21))
        predicted.append(late_rates(served[:20], 1.7).mean())
        late.append(served[20] > 1.7)
    assert np.mean(predicted) == pytest.approx(np.mean(late), abs=0.025)
    assert 0.05 < np.mean(late) < 0.15


def drawn(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return latencies of answers of three lengths, with a noise of 5 %, and those lengths."""
    lengths = rng.choice([0.25, 0.29, 0.33], n, p=[0.3, 0.5, 0.2])
    return lengths * np.exp(rng.normal(0, 0.05, n)), lengths


def test_lengths_explain_what_one_bell_takes_for_chance(rng: np.random.Generator) -> None:
    """Answers of three lengths have no tail beyond the longest; one bell over all has."""
    with_, without = [], []
    for _ in range(200):
        seconds, lengths = drawn(rng, 60)
        with_.append(proof_chance(late_rates(seconds, 0.40, lengths), 0.01))
        without.append(proof_chance(late_rates(seconds, 0.40), 0.01))

    # the truth: 1 in 80,000 is late
    assert np.mean(with_) > 0.8
    assert np.mean(without) < np.mean(with_) - 0.05


def test_few_lengths_do_not_tell_that_there_are_no_others(rng: np.random.Generator) -> None:
    """Without any noise about them, lengths up to just below the target leave it open."""
    lengths = np.repeat([0.25, 0.29, 0.33], 7)

    assert proof_chance(late_rates(lengths, 0.34, lengths), 0.01) < 0.3
    assert proof_chance(late_rates(lengths, 0.50, lengths), 0.01) > 0.9


def test_lengths_that_explain_nothing_are_left_alone(rng: np.random.Generator) -> None:
    """Where waiting decides, not the answer, the prediction is that of latencies alone."""
    seconds, lengths = rng.permutation(np.geomspace(0.2, 0.3, 20)), np.geomspace(0.1, 1.0, 20)

    assert late_rates(seconds, 0.32, lengths) == pytest.approx(late_rates(seconds, 0.32))


def test_failures_count_apart_from_latencies() -> None:
    """One failure among twenty is worth 1.5 / 21 and leaves the spread as it was."""
    served = [0.1, 0.11] * 10
    assert late_rates(served, 10.0).max() < 1e-6
    assert late_rates([*served[1:], math.inf], 10.0) == pytest.approx(1.5 / 21, abs=1e-6)
    assert (late_rates([math.inf] * 20, 10.0) == 1).all()


@pytest.mark.parametrize(
    ("latencies", "lengths", "target"),
    [
        ([], None, 1.0),
        ([0.0, 1.0], None, 1.0),
        ([math.nan], None, 1.0),
        ([1.0], None, 0.0),
        ([1.0], [0.0], 1.0),
        ([1.0], [math.nan], 1.0),
    ],
)
def test_impossible_latencies_are_refused(
    latencies: list[float], lengths: list[float] | None, target: float
) -> None:
    """No latency, one that is no time, a length that is none, and no target say nothing."""
    with pytest.raises(ValueError, match="need positive latencies"):
        late_rates(latencies, target, lengths)


def test_a_proof_bears_few_late_requests() -> None:
    """It is sure without any, even at BEARS / PROOF of what is allowed, and not at that itself."""
    assert proof_chance([0.0], 0.01) == pytest.approx(1.0)
    assert proof_chance([0.0, 1.0], 0.01) == pytest.approx(0.5)
    assert 0.55 < proof_chance([0.01 * BEARS / PROOF], 0.01) < 0.75
    assert proof_chance([0.01], 0.01) < 0.02


def test_equal_latencies_are_not_believed_to_the_last_digit() -> None:
    """Twenty equal latencies leave 3 % of spread, so that a target 1 % away is open."""
    assert 0.2 < late_rates([1.0] * 20, 1.01).mean() < 0.5
    assert late_rates([1.0] * 20, 1.0).mean() == pytest.approx(0.5)
    assert late_rates([1.0], 1.2).mean() > late_rates([1.0] * 20, 1.2).mean()


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
