"""How engine starts differ, and where the next one may lie."""

from __future__ import annotations

import numpy as np
import pytest

from tuner.stats.starts import LEAST_REQUESTS, spread


def test_the_next_start_lies_below_the_bound_as_often_as_it_says(rng: np.random.Generator) -> None:
    """Of starts whose levels are lognormal, 95 % of the next ones are no slower, up to chance."""
    within = 0
    for _ in range(600):
        levels = np.exp(rng.normal(0, 0.04, 5))
        starts = [level * np.exp(rng.normal(0, 0.1, 101)) for level in levels]
        found = spread(starts[:4])
        mean = np.exp(np.mean([np.log(np.median(s)) for s in starts[:4]]))
        within += np.median(starts[4]) <= mean * found.slower
    assert 0.92 < within / 600 < 0.98


def test_like_starts_promise_another_like_them() -> None:
    """Without any difference the next start is no slower."""
    found = spread([np.full(20, 0.3)] * 3)
    assert (found.starts, found.deviation, found.slower) == (3, 0.0, 1.0)


@pytest.mark.parametrize(
    "starts",
    [
        [],
        [np.full(20, 0.3)],
        [np.full(20, 0.3), np.full(LEAST_REQUESTS - 1, 0.3)],
        [np.full(20, 0.3), np.full(20, np.inf)],
    ],
)
def test_too_few_starts_say_nothing(starts: list[np.ndarray]) -> None:
    """One start, a short one, or one that served nothing shows no spread."""
    assert spread(starts) is None
