"""Write the cells of tables: a number with its interval, in the unit of its row."""

from __future__ import annotations

import math
from collections.abc import Mapping

from tuner.stats.quantiles import Bound

COUNTS_FROM: Mapping[str, str] = {
    "planned": "latencies count from the planned time, waiting to be sent included",
    "sent": "latencies count from sending, which hides what would wait behind a stall",
}
"""What each of `Load.counts_from` means, for people."""


def interval(bound: Bound, scale: float, digits: int) -> str:
    """Return `value [low, high]`, each times `scale`; `inf` and `?` where there is none."""

    def cell(value: float | None, missing: str) -> str:
        return missing if value is None else f"{value * scale:.{digits}f}"

    return f"{cell(bound.value, 'inf')} [{cell(bound.low, '?')}, {cell(bound.high, '?')}]"


def percent(share: Bound) -> str:
    """Return a share with its interval in percent."""
    return interval(share, 100.0, 1)


def left_out(warmups: int, slowest_s: float | None) -> str:
    """Say how many requests warmed the engine up, and how long the slowest took."""
    if slowest_s is None:
        return "Warm-up: none."
    slowest = f"{slowest_s * 1000:.0f} ms" if math.isfinite(slowest_s) else "failed"
    return f"Warm-up, counted in no number: n = {warmups}, slowest {slowest}."


def floor_percent(floor: float, *, longer: bool = False) -> str:
    """Return a noise floor, a |log ratio|, as a change in percent.

    A ratio can fall by at most 100 % but rise without bound, so that both directions differ.
    """
    if math.isinf(floor):
        return "unbounded"
    return f"{math.expm1(floor) if longer else -math.expm1(-floor):.1%}"


def finite(value: float | None) -> float | None:
    """Return a number that JSON can hold; what is infinite or undefined is null."""
    return value if value is not None and math.isfinite(value) else None
