"""Signs of interleaved blocks: evidence that is valid at every look, and that wins build up."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.stats.quantiles import Bound
from tuner.stats.signs import evidence_better, median_bounds, pairs_to_show, wins_needed

counts = st.integers(0, 60)


@given(counts, counts)
def test_the_next_pair_of_a_like_side_is_a_fair_game(wins: int, losses: int) -> None:
    """The mean of what a win and a loss make of the evidence is at most what there was."""
    now = evidence_better(wins, losses)
    mean = (evidence_better(wins + 1, losses) + evidence_better(wins, losses + 1)) / 2

    assert mean == pytest.approx(now, rel=1e-6)


@given(counts, counts)
def test_the_evidence_is_the_integral_that_it_says(wins: int, losses: int) -> None:
    """Against exact arithmetic: the binomial expansion of the integral."""
    n, total = wins + losses, Fraction(0)
    for k in range(losses + 1):
        power = wins + k + 1
        term = Fraction((-1) ** k * math.comb(losses, k), power)
        total += term * (1 - Fraction(1, 2**power))

    assert evidence_better(wins, losses) == pytest.approx(float(total * 2 ** (n + 1)), rel=1e-9)


@given(counts, counts)
def test_wins_speak_for_us_and_losses_against(wins: int, losses: int) -> None:
    """More of the one never lowers, more of the other never raises the evidence."""
    now = evidence_better(wins, losses)

    assert evidence_better(wins + 1, losses) >= now * (1 - 1e-12)
    assert evidence_better(wins, losses + 1) <= now * (1 + 1e-12)


def test_equal_sides_are_hardly_ever_told_apart() -> None:
    """Looking after each of a hundred pairs, in at most alpha of runs."""
    rng, alpha, runs = np.random.default_rng(5), 0.05, 2000
    won = np.cumsum(rng.random((runs, 100)) < 0.5, axis=1)
    pairs = np.arange(1, 101)
    table = np.array([[evidence_better(w, n - w) if w <= n else 0.0 for n in pairs]
                      for w in range(101)])  # fmt: skip
    most = table[won, pairs - 1].max(axis=1)

    assert np.mean(most >= 1 / alpha) <= alpha + 2 * math.sqrt(alpha * (1 - alpha) / runs)


def test_how_many_wins_it_takes_is_told() -> None:
    """One fewer would not do."""
    for alpha in (0.05, 0.001, 1e-5):
        needed = wins_needed(alpha)
        assert evidence_better(needed, 0) >= 1 / alpha > evidence_better(needed - 1, 0)


@pytest.mark.parametrize(("wins", "losses"), [(-1, 0), (0, -1)])
def test_counts_below_nothing_are_refused(wins: int, losses: int) -> None:
    """They would be taken for evidence."""
    with pytest.raises(ValueError, match="counts"):
        evidence_better(wins, losses)


differences = st.lists(st.floats(-5, 5), max_size=40)


@given(differences, st.sampled_from([0.05, 0.01]))
def test_the_bounds_of_a_median_are_the_test_inverted(seen: list[float], error: float) -> None:
    """What lies below the lower end is refused, and nothing above it."""
    low = median_bounds(seen, error).low
    for x in sorted(set(seen)):
        above = sum(d >= x for d in seen)
        shown = evidence_better(above, len(seen) - above) >= 1 / error
        assert shown == (low is not None and x <= low)


@given(differences)
def test_the_bounds_of_a_median_turn_with_the_sign(seen: list[float]) -> None:
    """Neither side is favoured."""
    found, turned = median_bounds(seen, 0.05), median_bounds([-d for d in seen], 0.05)

    assert found.low == (None if turned.high is None else -turned.high)
    assert found.value == (None if turned.value is None else pytest.approx(-turned.value))


def test_few_pairs_bound_nothing_and_unknown_ones_bound_no_end() -> None:
    """A pair of which nothing is known speaks against both ends."""
    ten = [0.1] * 10

    assert median_bounds([], 0.05) == Bound(None, None, None)
    assert median_bounds(ten[:3], 0.05) == Bound(0.1, None, None)
    assert median_bounds(ten, 0.05) == Bound(0.1, 0.1, 0.1)
    assert median_bounds([*ten, *[math.nan] * 10], 0.05) == Bound(0.1, None, None)
    assert median_bounds([*ten, math.inf], 0.05).low == 0.1
    with pytest.raises(ValueError, match="error must lie"):
        median_bounds(ten, 0.0)


def test_pairs_that_always_agree_take_the_fewest() -> None:
    """More where some disagree, and no number where half of them do."""
    assert pairs_to_show(1.0, 0.05) == wins_needed(0.05)
    assert wins_needed(0.05) < pairs_to_show(0.85, 0.05) < pairs_to_show(0.7, 0.05) < 100
    assert pairs_to_show(0.5, 0.05) == math.inf
