"""How many requests a verdict takes, as planned, beside what certificates take."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuner.stats.eprocess import certify, fail_bets, pass_bets, wealth
from tuner.stats.planning import (
    expected_requests,
    pass_probability,
    requests_to_pass,
    sprt_bound,
)


def share(found: list[bool]) -> float:
    """Return the share of true ones."""
    return float(np.mean(found))


def passes(late: np.ndarray) -> bool:
    """Tell whether a certificate that is looked at after each request passes before it fails."""
    total = np.arange(1, late.size + 1)
    passed, failed = (
        np.append(wealth(late.cumsum(), total, bets(0.99)) >= 20, True).argmax()
        for bets in (pass_bets, fail_bets)
    )
    return bool(passed < failed)


def test_the_sprt_bound_is_that_of_the_design() -> None:
    """Wald's bound is 298, 445, 622, 878 below 1 % late, and 73 for a FAIL at 5 %."""
    found = [sprt_bound(r) for r in (0, 0.001, 0.002, 0.003, 0.05)]
    assert found == pytest.approx([298, 445, 622, 878, 73], abs=0.6)
    assert sprt_bound(0.01) == math.inf


def test_expected_requests_rise_to_infinity_at_the_bound() -> None:
    """The nearer the late rate to 1 - q, the more requests; at it and above, never."""
    needed = [expected_requests(r) for r in (0, 0.001, 0.002, 0.005, 0.009)]
    assert needed == sorted(needed)
    assert needed[:3] == pytest.approx([328, 489, 685], abs=1)
    assert expected_requests(0.01) == expected_requests(0.02) == math.inf
    with pytest.raises(ValueError, match="late_rate"):
        expected_requests(-0.1)


def test_pass_probability_predicts_the_certificate(rng: np.random.Generator) -> None:
    """It is 1 once passed, 0 without requests left, and between for open cases."""

    def predicted(late: int, n: int, more: int) -> float:
        return pass_probability(late, n, more, 0.99, 0.05, rng, draws=400)

    assert predicted(0, 334, 0) == 1.0
    assert predicted(0, 333, 0) == 0.0
    assert predicted(20, 100, 500) == 0.0
    assert predicted(0, 300, 100) > 0.8
    assert predicted(2, 300, 100) < 0.05 < predicted(2, 300, 1500) < 0.95
    with pytest.raises(ValueError, match="late_so_far"):
        predicted(5, 4, 1)


def test_pass_probability_agrees_with_simulated_certificates(rng: np.random.Generator) -> None:
    """From nothing it equals the share of certificates that pass, over rates from its prior."""
    rates = rng.beta(0.5, 0.5 + 200, size=400)
    truth = share([passes(rng.random(600) < rate) for rate in rates])
    # 200 timely requests are the prior here, so they are no evidence: 200 more than 600.
    guess = pass_probability(0, 200, 600, 0.99, 0.05, rng, draws=400)
    longer = share([passes(np.r_[np.zeros(200, bool), rng.random(600) < rate]) for rate in rates])
    assert guess == pytest.approx(longer, abs=0.1)
    assert guess > truth


@pytest.mark.parametrize("late", [0, 1, 2])
@pytest.mark.parametrize("alpha", [0.05, 0.025, 0.003])
def test_requests_to_pass_is_where_the_certificate_passes(late: int, alpha: float) -> None:
    """With so many more timely requests it passes, with one fewer it does not."""
    seen = np.zeros(100, dtype=bool)
    seen[20 : 20 + 10 * late : 10] = True
    more = requests_to_pass(late, 100, alpha=alpha)

    def verdict(timely: int) -> str:
        return certify(np.r_[seen, np.zeros(timely, dtype=bool)], alpha=alpha).verdict

    assert (verdict(more - 1), verdict(more)) == ("UNDECIDED", "PASS")


def test_requests_to_pass_is_nothing_when_it_has_passed() -> None:
    """After four hundred timely requests a p99 takes no more of them."""
    assert requests_to_pass(0, 400) == 0
    assert requests_to_pass(0, 0) == 334


def test_requests_to_pass_refuses_what_cannot_be() -> None:
    """More late requests than requests are no count."""
    with pytest.raises(ValueError, match="cannot be"):
        requests_to_pass(2, 1)


@settings(max_examples=30)
@given(
    counts=st.integers(0, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))),
    more=st.integers(0, 400),
    quantile=st.sampled_from([0.5, 0.9, 0.99]),
)
def test_a_prediction_is_what_the_wealth_of_each_future_says(
    counts: tuple[int, int], more: int, quantile: float
) -> None:
    """The borders by which futures are judged are those of the e-processes at every request."""
    late, n = counts
    rng = np.random.default_rng(8)
    rate = rng.beta(late + 0.5, n - late + 0.5, size=(50, 1))
    futures = (rng.random((50, more)) < rate).cumsum(axis=1)
    lates = late + np.hstack([np.zeros((50, 1), np.int64), futures])
    passing, failing = (
        [next((i for i, e in enumerate(row) if e >= 20), more + 1) for row in found.tolist()]
        for bets in (pass_bets(quantile), fail_bets(quantile))
        for found in [wealth(lates, n + np.arange(more + 1), bets)]
    )
    expected = np.mean(np.array(passing) < np.array(failing))

    rng = np.random.default_rng(8)
    assert pass_probability(late, n, more, quantile, 0.05, rng, draws=50) == expected
