"""Levels that were seen once a start, and the one rule by which a difference is claimed."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tuner.stats.noise import beyond_noise, level_ratio
from tuner.stats.quantiles import Bound


@pytest.mark.parametrize(
    ("ratio", "floor", "claim"),
    [
        (Bound(0.8, 0.7, 0.9), 0.1, "lower"),
        (Bound(1.3, 1.1, 1.5), 0.1, "higher"),
        (Bound(0.8, 0.7, 0.9), 0.3, None),
        (Bound(0.8, 0.6, 1.1), 0.1, None),
        (Bound(1.3, None, None), 0.1, None),
        (Bound(None, None, None), 0.1, None),
    ],
)
def test_a_claim_takes_the_interval_and_the_floor(
    ratio: Bound, floor: float, claim: str | None
) -> None:
    """A ratio is claimed where its interval leaves 1 out and it lies beyond the noise floor."""
    assert beyond_noise(ratio, floor) == claim


def test_levels_of_starts_are_compared_as_student_does(rng: np.random.Generator) -> None:
    """Equal levels are called unequal in 5 % of cases; a level twice as high is seen."""
    wrong = 0
    for _ in range(400):
        found = level_ratio(*np.exp(rng.normal(0, 0.1, (2, 3))).tolist())
        assert found.low is not None and found.high is not None
        wrong += not found.low <= 1 <= found.high
    clear = level_ratio([200.0, 205.0, 198.0], [100.0, 99.0, 102.0])

    assert 5 <= wrong <= 38
    assert clear.value == pytest.approx(2.0, rel=0.02)
    assert clear.low is not None and clear.low > 1.8


def test_a_level_seen_once_or_not_at_all_is_not_compared() -> None:
    """What starts differ by cannot be seen in one, and an unknown level is no number."""
    assert level_ratio([1.0], [1.0, 2.0]) == Bound(None, None, None)
    assert level_ratio([1.0, math.inf], [1.0, 2.0]) == Bound(None, None, None)
