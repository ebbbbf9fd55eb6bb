"""Which knobs mattered is said as surely as the trials allow."""

from __future__ import annotations

import numpy as np

from tuner.search.importance import LEAST_TRIALS, RESAMPLES, importance
from tuner.spec.values import Candidate


def candidates(count: int) -> list[Candidate]:
    """Return candidates that differ in a knob of each kind; one knob never differs."""
    random = np.random.default_rng(3)
    return [
        {
            "batch": int(random.choice([32, 64, 128, 256])),
            "temperature": float(random.uniform()),
            "system": str(random.choice(["none", "full"])),
            "same": 7,
        }
        for _ in range(count)
    ]


def test_the_knob_that_decides_comes_first() -> None:
    """In nearly all resamples, with an interval; what never differed is left out."""
    tried = candidates(60)
    found = importance(tried, [abs(float(c["temperature"]) - 0.2) for c in tried])

    assert found[0].knob == "temperature"
    assert {f.knob for f in found} == {"temperature", "batch", "system"}
    assert found[0].first >= 0.9 * RESAMPLES
    assert abs(sum(f.share for f in found) - 1) < 1e-9
    assert all(0 <= f.low <= f.high <= 1 for f in found)


def test_where_none_decides_none_comes_first_in_nearly_all_resamples() -> None:
    """Results that have nothing to do with the settings point at none of them."""
    tried, random = candidates(40), np.random.default_rng(5)
    found = importance(tried, list(random.permutation(40).astype(float)))

    assert max(f.first for f in found) < 0.9 * RESAMPLES


def test_the_same_trials_give_the_same_figures() -> None:
    """Chance in it is repeatable."""
    tried = candidates(20)
    ranks = [float(i) for i in range(20)]

    assert importance(tried, ranks) == importance(tried, ranks)


def test_few_trials_or_alike_ones_tell_nothing() -> None:
    """Then there is no figure at all."""
    few = candidates(LEAST_TRIALS - 1)

    assert importance(few, [float(i) for i in range(len(few))]) == []
    assert importance([{"a": 1}] * 20, [float(i) for i in range(20)]) == []
    assert importance([], []) == []
