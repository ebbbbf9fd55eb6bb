"""The space of a study: its knobs and the values each may take."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from tuner.spec.values import Setting


@dataclass(frozen=True, slots=True)
class Choices:
    """A list of values; words among numbers (0, 1, 2, dynamic) stand after the last one."""

    values: tuple[Setting, ...]

    @property
    def ordered(self) -> bool:
        """Tell whether the numbers come first and rise, so that an index has a meaning."""
        numbers = [v for v in self.values if _is_number(v)]
        first = self.values[: len(numbers)]
        return len(numbers) > 1 and list(first) == sorted(numbers, key=float)

    def contains(self, value: Setting) -> bool:
        """Tell whether a value is one of them."""
        return any(value == v and _kind(value) is _kind(v) for v in self.values)

    def neighbours(self, value: Setting) -> tuple[Setting, ...]:
        """Return the values next to one: the numbers on both sides, and every word."""
        others = tuple(v for v in self.values if v != value)
        if not self.ordered or not _is_number(value) or value not in self.values:
            return others
        at = self.values.index(value)
        beside = {i for i in (at - 1, at + 1) if 0 <= i < len(self.values)}
        return tuple(
            v
            for i, v in enumerate(self.values)
            if v != value and (i in beside or not _is_number(v))
        )

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers from `low` to `high`, by `step` or continuous, evenly or on a log scale.

    They are whole where both ends and the step are written as whole numbers.
    """

    low: float
    high: float
    step: float | None = None
    log: bool = False

    def like(self, default: Setting) -> Range:
        """Return the range as a knob takes it: whole numbers where its default is one."""
        if not _is_number(default):
            return self
        step = None if self.step is None else _end(default, self.step)
        return replace(self, low=_end(default, self.low), high=_end(default, self.high), step=step)

    @property
    def integer(self) -> bool:
        """Tell whether all values are whole numbers."""
        return all(isinstance(v, int) for v in (self.low, self.high, self.step or 0))

    @property
    def continuous(self) -> bool:
        """Tell whether there are values between any two."""
        return self.step is None and not self.integer

    @property
    def grain(self) -> float:
        """Return the distance between values, of a continuous range that to which it is rounded."""
        return self.step or (1 if self.integer else 10.0**-self._decimals)

    @property
    def last(self) -> float:
        """Return the largest value, which a step may not bring up to `high`."""
        if self.step is None:
            return self.high
        steps = math.floor((self.high - self.low) / self.step + 1e-9)
        return self._rounded(self.low + steps * self.step)

    @property
    def _decimals(self) -> int:
        """Return how many decimals tell values apart: three, and more where all are small.

        Those of a step are its own; only what adding up leaves behind is rounded away.
        """
        least = self.step or (self.low if self.log else self.high - self.low)
        return (12 if self.step else 3) - min(0, math.ceil(math.log10(least)))

    def contains(self, value: Setting) -> bool:
        """Tell whether a value lies in the range (not whether a step hits it)."""
        return isinstance(value, int | float) and self.low <= value <= self.high

    def neighbours(self, value: Setting) -> tuple[Setting, ...]:
        """Return a value below and one above, a quarter of the range away or one step."""
        if not isinstance(value, int | float):
            return (self.low, self.high)
        moved = (self._moved(value, -1), self._moved(value, +1))
        return tuple(v for v in dict.fromkeys(moved) if v != value)

    def _moved(self, value: float, sign: int) -> Setting:
        if self.log:
            far = abs(value * math.exp(math.log(self.high / self.low) / 4) ** sign - value)
        else:
            far = (self.high - self.low) / 4
        return self.nearest(value + sign * max(far, self.grain))

    def nearest(self, value: float) -> Setting:
        """Return the value of the range that is closest."""
        if self.step is not None:
            value = self.low + round((value - self.low) / self.step) * self.step
        if self.low < value < self.last:
            value = min(max(self._rounded(value), self.low), self.last)
        else:  # an end may have more decimals than are told apart
            value = self.low if value <= self.low else self.last
        return value if self.integer else float(value)

    def _rounded(self, value: float) -> float:
        return round(value) if self.integer else round(float(value), self._decimals)

    def __len__(self) -> int:
        """Return how many values there are, counting a continuous range as many."""
        if self.continuous:
            return 1000
        return math.floor((self.last - self.low) / self.grain + 1e-9) + 1


Dimension: TypeAlias = Choices | Range
Space: TypeAlias = Mapping[str, Dimension]


def size(space: Space) -> int:
    """Return the number of candidates in a space, capped where a range is continuous."""
    return math.prod(len(d) for d in space.values())


def some_values(dimension: Dimension) -> tuple[Setting, ...]:
    """Return all choices, or what a range is written with: its ends and its step."""
    if isinstance(dimension, Choices):
        return dimension.values
    step = () if dimension.step is None else (dimension.step,)
    return (dimension.low, dimension.high, *step)


def value_at(dimension: Dimension, share: float) -> Setting:
    """Return the value at a share in [0, 1) of a dimension."""
    if isinstance(dimension, Choices):
        return dimension.values[int(share * len(dimension))]
    if dimension.log:
        return dimension.nearest(dimension.low * (dimension.high / dimension.low) ** share)
    return dimension.nearest(dimension.low + share * (dimension.high - dimension.low))


def like(default: Setting, value: Setting) -> Setting:
    """Return a value as a knob takes it: 64.0 is 64 where the knob's default is whole."""
    whole = isinstance(default, int) and not isinstance(default, bool)
    return int(value) if whole and isinstance(value, float) and value.is_integer() else value


def _end(default: Setting, end: float) -> float:
    return like(default, end) if isinstance(default, int) else float(end)  # type: ignore[return-value]


def _kind(value: Setting) -> type:
    return float if _is_number(value) else type(value)


def _is_number(value: Setting) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
