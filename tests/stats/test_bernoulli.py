"""Odds and divergence are those of scipy, at the ends as well."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from tuner.stats.bernoulli import divergence, odds, share_at

shares = st.floats(1e-6, 1 - 1e-6)


@given(share=shares, other=shares)
def test_the_divergence_is_the_relative_entropy(share: float, other: float) -> None:
    """Both outcomes count, each as scipy's relative entropy has it."""
    expected = special.rel_entr(share, other) + special.rel_entr(1 - share, 1 - other)

    assert divergence(share, other) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(
    ("share", "other", "expected"),
    [(0, 0.01, -math.log(0.99)), (1, 0.25, math.log(4)), (0, 0, 0), (0.5, 0, math.inf)],
)
def test_what_never_or_always_happens_has_a_divergence(
    share: float, other: float, expected: float
) -> None:
    """An outcome without a chance adds nothing; one that the other rules out is infinitely far."""
    assert divergence(share, other) == pytest.approx(expected)


@given(share=shares)
def test_odds_and_share_are_inverse(share: float) -> None:
    """There and back is the same share, and their logarithm is the logit."""
    assert share_at(odds(share)) == pytest.approx(share, rel=1e-12)
    assert math.log(odds(share)) == pytest.approx(float(special.logit(share)), rel=1e-9, abs=1e-9)
