"""Distances of distributions: what they are, and how often their intervals hold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tuner.stats.distance import LEAST_GROUPS, distance, largest_gap, total_variation


def table(
    rng: np.random.Generator, groups: int, shares: npt.ArrayLike, each: int = 1
) -> npt.NDArray[np.int64]:
    """Draw the counts of groups; those of one group are all of one value."""
    return each * rng.multinomial(1, np.asarray(shares), size=groups)


def test_total_variation_is_the_share_that_differs() -> None:
    """Whatever the order of the values."""
    one, other = np.array([0.5, 0.5, 0.0]), np.array([0.5, 0.2, 0.3])

    assert total_variation(one, other) == pytest.approx(0.3)
    assert total_variation(one[::-1], other[::-1]) == pytest.approx(0.3)


def test_the_largest_gap_is_that_of_the_distribution_functions() -> None:
    """To move far counts as much as to move a little, but only over a boundary."""
    one, other = np.array([0.5, 0.5, 0.0, 0.0]), np.array([0.0, 0.5, 0.5, 0.0])

    assert largest_gap(one, other) == pytest.approx(0.5)
    assert largest_gap(one, one) == 0


@pytest.mark.parametrize("measure", [total_variation, largest_gap])
def test_the_interval_holds_the_distance(measure: Callable[..., Any]) -> None:
    """In at least 95 % of 300 draws, where groups are few and all of one value."""
    rng = np.random.default_rng(5)
    old, new = (0.5, 0.3, 0.1, 0.1), (0.3, 0.3, 0.2, 0.2)
    held = 0
    for _ in range(300):
        found = distance(
            table(rng, 60, old, 5), table(rng, 80, new, 5), measure, error=0.05, independent=60
        )  # fmt: skip
        held += found.low <= 0.2 <= found.high

    assert held >= 0.95 * 300


def test_few_groups_tell_nothing() -> None:
    """However many observations they hold."""
    rng = np.random.default_rng(6)
    few = table(rng, LEAST_GROUPS - 1, (1.0, 0.0), 1000)

    found = distance(few, few, total_variation, error=0.05, independent=19)

    assert (found.found, found.low, found.high) == (0.0, 0.0, 1.0)


def test_what_nobody_saw_can_still_be_there() -> None:
    """Where all are alike the upper end is that of a value that was missed by chance."""
    alike = np.array([[3]] * 50)

    found = distance(alike, alike, total_variation, error=0.05, independent=50)

    assert found.found == 0 and found.high == pytest.approx(np.log(40) / 50)


def test_nothing_observed_is_no_distance() -> None:
    """On either side."""
    none, some = np.zeros((30, 2), int), np.ones((30, 2), int)

    for pair in ((none, some), (some, none)):
        with pytest.raises(ValueError, match="observations"):
            distance(*pair, largest_gap, error=0.05, independent=1)
