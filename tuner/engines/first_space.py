"""Values to search around a baseline, as a study file writes them."""

from __future__ import annotations

from collections.abc import Iterable

OUTPUT_LIMIT = 256
"""Stands in for an output limit that nobody set: endless answers would eat the budget."""

ABOVE_STAND_IN = f"""\
Not set in what this was started from, so there it is unlimited. One endless answer would eat
the budget, so {OUTPUT_LIMIT} stands in for it; write -1 for no limit."""

ABOVE_LIMITS = """\
The most tokens an answer may have: the surest way to a latency, and the guard's reason."""

_SHORTEST_LIMIT = 16


def powers(low: int, high: int) -> list[int]:
    """Return the powers of two from `low`, which is one, up to `high`."""
    return [2**n for n in range(low.bit_length() - 1, high.bit_length()) if low <= 2**n <= high]


def joined(values: Iterable[int | float], *more: int | float | None) -> list[int | float]:
    """Return values with more of them, in order; None is none."""
    return sorted({*values, *(v for v in more if v is not None)})


def output_limits(baseline: int) -> dict[str, int]:
    """Return a range of output limits up to the baseline's that its steps hit exactly."""
    high = baseline if baseline > 0 else OUTPUT_LIMIT
    if high <= 2 * _SHORTEST_LIMIT:
        return {"low": 1, "high": max(high, 2), "step": 1}
    step = max(1, 2 ** ((high - _SHORTEST_LIMIT) // 64).bit_length() // 2)
    return {"low": _SHORTEST_LIMIT + (high - _SHORTEST_LIMIT) % step, "high": high, "step": step}


def up_to_one(baseline: float, low: float) -> dict[str, float]:
    """Return a range from `low` to 1, wide enough for the baseline."""
    return {"low": min(low, baseline), "high": max(1.0, baseline)}
