"""The error of a run and of its rounds is spent before anything is proven."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.workflow.worlds import study
from tuner.search.error import (
    ALPHAS,
    MAX_FINALISTS,
    MAX_ROUNDS,
    baseline_error,
    finalist_error,
    round_error,
)


def test_a_run_has_the_whole_error() -> None:
    """What its finalists may spend is what it was before there were rounds."""
    assert [finalist_error(study(), i) for i in range(MAX_FINALISTS)] == list(ALPHAS)


@given(st.floats(1e-4, 0.5), st.integers(1, MAX_ROUNDS + 3))
def test_all_rounds_together_spend_the_whole(whole: float, rounds: int) -> None:
    """Every finalist of every round, and every proof of the baseline, however many are held."""
    made = [replace(study(), error=round_error(n, whole)) for n in range(1, rounds + 1)]
    spent = [finalist_error(s, i) for s in made for i in range(MAX_FINALISTS)]
    together = sum(spent) + sum(map(baseline_error, made))

    assert together <= whole * (1 + 1e-9)
    if rounds >= MAX_ROUNDS:
        assert together == pytest.approx(whole)
