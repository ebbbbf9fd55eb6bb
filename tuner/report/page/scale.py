"""A scale of a chart: from values to places, with ticks at round numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

WIDE = 8.0
"""From this ratio of the largest to the smallest value on a scale counts in powers of ten."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps [low, high] to [start, end], by the logarithm with `log`."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def at(self, value: float) -> float:
        """Return the place of a value; what lies outside is put on the nearer end."""
        low, high, value = (self._position(v) for v in (self.low, self.high, value))
        share = min(max((value - low) / (high - low), 0.0), 1.0)
        return round(self.start + share * (self.end - self.start), 1)

    def _position(self, value: float) -> float:
        return math.log(max(value, self.low / 10)) if self.log else value

    def ticks(self, most: int = 5, unit: float = 1.0) -> list[float]:
        """Return values on the scale that are round in `unit`, at most about `most` of them."""
        if self.log:
            return _powers(self.low, self.high, most)
        return [value * unit for value in _steps(self.low / unit, self.high / unit, most)]


def fitting(
    values: Iterable[float],
    start: float,
    end: float,
    *,
    zero: bool = False,
    log: bool | None = None,
) -> Scale:
    """Return the scale on which all values lie, from 0 with `zero`; `log` None: where they need it.

    Values that are not finite are left out. Without any it goes from 0 to 1.
    """
    given = [v for v in values if math.isfinite(v)]
    low, high = (min(given), max(given)) if given else (0.0, 1.0)
    if log is None:
        log = not zero and low > 0 and high / low > WIDE
    if log:
        return Scale(low / 1.1, high * 1.1, start, end, log=True)
    room = (high - low) * 0.06 or abs(high) * 0.1 or 1.0
    return Scale(0.0 if zero else low - room, high + room, start, end)


def _steps(low: float, high: float, most: int) -> list[float]:
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * m for m in (1, 2, 5, 10) if power * m >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(i * step, 12) for i in range(first, last + 1)]


def _powers(low: float, high: float, most: int) -> list[float]:
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors in ((1, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,)):
        found = [f * 10.0**p for p in powers for f in factors if low <= f * 10.0**p <= high]
        if len(found) <= most + 1:
            return found
    return found
