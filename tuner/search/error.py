"""The error of a run, spent before anything is proven: over finalists, and over rounds.

Whatever is proven wrongly is one finalist of one round, so that the errors add up to at most the
whole (Bonferroni 1936), however many of them are tried.
"""

from __future__ import annotations

from tuner.spec.study import ERROR, Study

ALPHAS = (0.025, 0.0125, 0.005, 0.0025, 0.0025)
"""Error that each finalist may spend, fixed before confirmation."""

BASELINE_ALPHA = 0.0025
"""Error of proving the baseline itself; with those of the finalists it sums to 5 %."""

MAX_FINALISTS = len(ALPHAS)

ROUNDS = (0.5, 0.25, 0.125, 0.125)
"""The share of the error that each round of an iteration may spend, fixed before the first."""

MAX_ROUNDS = len(ROUNDS)


def finalist_error(study: Study, index: int) -> float:
    """Return the error that a finalist may spend, counted from 0, in a run of this study."""
    return ALPHAS[index] * (study.error / ERROR)


def baseline_error(study: Study) -> float:
    """Return the error that proving the baseline itself may spend in a run of this study."""
    return BASELINE_ALPHA * (study.error / ERROR)


def round_error(number: int, whole: float = ERROR) -> float:
    """Return the error that a round may spend, counted from 1; 0 beyond the last one."""
    return whole * ROUNDS[number - 1] if number <= MAX_ROUNDS else 0.0
