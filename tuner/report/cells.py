"""What stands in the cells of tables: a number with its interval, in the unit of its row."""

from __future__ import annotations

from tuner.stats.quantiles import Bound


def interval(bound: Bound, scale: float, digits: int) -> str:
    """Return `value [low, high]`, each times `scale`; `inf` and `?` where there is none."""

    def cell(value: float | None, missing: str) -> str:
        return missing if value is None else f"{value * scale:.{digits}f}"

    return f"{cell(bound.value, 'inf')} [{cell(bound.low, '?')}, {cell(bound.high, '?')}]"


def percent(share: Bound) -> str:
    """Return a share with its interval in percent."""
    return interval(share, 100.0, 1)
