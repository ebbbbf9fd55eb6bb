"""Signs of interleaved blocks: evidence that is valid at every look, and that wins build up."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.stats.signs import evidence_better, wins_needed

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
