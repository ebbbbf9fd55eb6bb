"""The dependence of lateness, as it is read off the late requests."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.stats.dependence import dependence


@pytest.mark.parametrize(("rate", "n"), [(0.002, 700), (0.01, 1500), (0.1, 400), (0.5, 200)])
def test_independent_lateness_shows_no_dependence(
    rate: float, n: int, rng: np.random.Generator
) -> None:
    """Independent requests give m = 0 in at least 95 % of runs, up to chance."""
    assert np.mean([dependence(rng.random(n) < rate) == 0 for _ in range(300)]) > 0.93


@given(st.integers(2, 30), st.lists(st.integers(35, 300), min_size=2, max_size=6))
def test_a_few_bursts_show_their_length(length: int, gaps: list[int]) -> None:
    """Bursts of b among many requests give exactly b - 1."""
    late = [False] * 300
    for gap in gaps:
        late += [True] * length + [False] * (gap + length * 10)
    assert dependence(late) == length - 1


@pytest.mark.parametrize("late", [[], [True], [False] * 50, [False] * 50 + [True]])
def test_fewer_than_two_late_requests_show_no_dependence(late: list[bool]) -> None:
    """Nothing can cluster with itself."""
    assert dependence(late) == 0
