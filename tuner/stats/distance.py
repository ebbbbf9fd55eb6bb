"""How far two distributions are apart, and how sure that is where observations come in groups.

Both distances are shares in [0, 1]: of observations that would have to be of another value
(total variation), or to pass over some length (the largest gap between two distribution functions,
as Kolmogorov and Smirnov take it). Groups are drawn anew, not observations: those of one
conversation are alike (bootstrap of clusters: Davison and Hinkley, Bootstrap Methods and their
Application, 1997, section 3.8). A draw gives each group a weight, exponential at random (Rubin, The
Bayesian bootstrap, Annals of Statistics 1981), so that none is without observations.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

LEAST_GROUPS = 20
"""With fewer groups on a side nothing is said."""

_DRAWS = 1000


@dataclass(frozen=True, slots=True)
class Distance:
    """A distance as it was found, and the interval that it lies in."""

    found: float
    low: float
    high: float


def total_variation(one: Floats, other: Floats) -> Floats:
    """Return half the sum of the differences of shares; the last axis is the values'."""
    half: Floats = np.abs(one - other).sum(axis=-1) / 2
    return half


def largest_gap(one: Floats, other: Floats) -> Floats:
    """Return the largest difference of two distribution functions over ordered values."""
    gap: Floats = np.abs((one - other).cumsum(axis=-1)).max(axis=-1)
    return gap


def distance(
    old: Counts,
    new: Counts,
    measure: Callable[[Floats, Floats], Floats],
    *,
    error: float,
    independent: int,
    seed: int = 0,
) -> Distance:
    """Return the distance of two tables of counts, a row for each group, with its interval.

    What is found is too large on average, the more so the fewer observations there are, and so are
    the draws about it. Hence `low` mirrors the upper quantile of the draws at what was found, which
    takes that out, and `high` is that quantile, which does not: both err to the safe side. With
    `independent` units on the smaller side a value of a share up to log(2 / error) / independent
    can be missing in all of them, so that `high` is no less. `error` is that of both ends together.
    Raises ValueError for tables without observations.
    """
    if not old.sum() or not new.sum():
        raise ValueError("expected observations on both sides")
    old, new = (table[table.any(axis=1)] for table in (old, new))
    found = float(measure(_shares(old.sum(axis=0)), _shares(new.sum(axis=0))))
    if min(len(old), len(new)) < LEAST_GROUPS:
        return Distance(found, 0.0, 1.0)
    rng = np.random.default_rng(seed)
    drawn = measure(_drawn(old, rng), _drawn(new, rng))
    upper = max(found, float(np.quantile(drawn, 1 - error / 2)))
    unseen = math.log(2 / error) / independent
    return Distance(found, max(0.0, 2 * found - upper), min(1.0, max(upper, unseen)))


def _drawn(counts: Counts, rng: np.random.Generator) -> Floats:
    """Return shares of values when the groups are weighed anew, a row for each draw."""
    return _shares(rng.exponential(size=(_DRAWS, len(counts))) @ counts.astype(np.float64))


def _shares(counts: npt.NDArray[Any]) -> Floats:
    shares: Floats = counts / counts.sum(axis=-1, keepdims=True)
    return shares
