"""The space of a study: its knobs and the values each may take."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
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
        return any(value == v and isinstance(value, str) == isinstance(v, str) for v in self.values)

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
    """Numbers from `low` to `high`, by `step` or continuous, evenly or on a log scale."""

    low: float
    high: float
    step: float | None = None
    log: bool = False

    @property
    def integer(self) -> bool:
        """Tell whether all values are whole numbers."""
        return all(isinstance(v, int) for v in (self.low, self.high, self.step or 0)) and (
            self.step is not None or self.log
        )

    @property
    def continuous(self) -> bool:
        """Tell whether there are values between any two."""
        return self.step is None and not self.integer

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
            factor = math.exp(math.log(self.high / self.low) / 4)
            new = value * factor**sign
        else:
            new = value + sign * max(self.step or 0.0, (self.high - self.low) / 4)
        return self.nearest(new)

    def nearest(self, value: float) -> Setting:
        """Return the value of the range that is closest."""
        if self.step is not None and not self.log:
            value = self.low + round((value - self.low) / self.step) * self.step
        value = min(max(value, self.low), self.high)
        return round(value) if self.integer else round(float(value), 3)

    def __len__(self) -> int:
        """Return how many values there are, counting a continuous range as many."""
        if self.continuous:
            return 1000
        return int((self.high - self.low) / (self.step or 1)) + 1


Dimension: TypeAlias = Choices | Range
Space: TypeAlias = Mapping[str, Dimension]


def size(space: Space) -> int:
    """Return the number of candidates in a space, capped where a range is continuous."""
    return math.prod(len(d) for d in space.values())


def _is_number(value: Setting) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
