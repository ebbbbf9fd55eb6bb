"""A figure that is not known exactly: the lowest, the likeliest and the highest it may be."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Span:
    """A figure between two bounds, in a unit that its user states; low <= likely <= high."""

    low: float
    likely: float
    high: float

    def __post_init__(self) -> None:
        if not self.low <= self.likely <= self.high:
            raise ValueError(f"not in order: {self.low}, {self.likely}, {self.high}")


def exactly(figure: float) -> Span:
    """Return the span of a figure that is known."""
    return Span(figure, figure, figure)
