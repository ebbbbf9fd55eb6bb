"""Find where a function crosses zero; scipy's own solvers take half a second to import."""

from __future__ import annotations

from collections.abc import Callable

_HALVINGS = 200
"""From most brackets some 55 leave two floats that are neighbours."""


def crossing(rising: Callable[[float], float], low: float, high: float) -> float:
    """Return where a function that never falls comes from below zero, by halving a bracket.

    It is as exact as floats are; an end of the bracket where the function crosses outside of it.
    """
    for _ in range(_HALVINGS):
        middle = low + (high - low) / 2
        if not low < middle < high:
            break
        low, high = (middle, high) if rising(middle) < 0 else (low, middle)
    return high if rising(low) < 0 else low
