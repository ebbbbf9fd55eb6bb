"""What stands in the cells of tables: a number with its interval, in the unit of its row."""

from __future__ import annotations

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
