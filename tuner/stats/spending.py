"""Spend the error of a year over the challengers that are met, however many nights there are.

A challenger that is met again goes on with the evidence that it has, and so needs no error of its
own for each night. The first ones of a year get most: the number-th gets a share proportional to
1 / number, of which MOST together are all there is. Spent evenly over nights a clean proof of a
p99 would take three times as many requests, by 1 / number**2 ever more.
"""

from __future__ import annotations

import math

YEAR = 0.05
"""The chance that anything wrong is promoted in a year of one world."""

MOST = 366
"""The most challengers of a year: one a night."""

_SUM = math.fsum(1 / number for number in range(1, MOST + 1))


def error_of(number: int, whole: float = YEAR) -> float:
    """Return the error that a year's challenger may spend, counted from 1; 0 beyond MOST.

    Whatever is promoted wrongly is one of them, so that the errors add up to at most `whole`
    (Bonferroni 1936). Raises ValueError for a number below 1.
    """
    if number < 1:
        raise ValueError(f"challengers are counted from 1, not {number}")
    return whole / (_SUM * number) if number <= MOST else 0.0
