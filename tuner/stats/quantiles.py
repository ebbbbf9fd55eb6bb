"""Quantiles of latencies with bounds that assume no distribution.

A failed request is infinitely late, so values may hold `inf`; a quantile that falls on it
has no value, and a bound that falls on it is no bound.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special


@dataclass(frozen=True, slots=True)
class Bound:
    """An estimate and its interval, in the unit of the values; None where there is none."""

    value: float | None
    low: float | None
    high: float | None


def quantile_bounds(values: npt.ArrayLike, q: float, confidence: float = 0.95) -> Bound:
    """Return the q-quantile of latencies with its order-statistic interval.

    `values`: shape (n,), seconds, in any order; `inf` is a failed request. `value` is
    numpy's linear interpolation, None only when infinite. `low` and `high` each hold with
    probability (1 + confidence) / 2, so together with `confidence`; each is None where n
    cannot bound it, and `high` also where it or the value is infinite. Bounds are order
    statistics, or the value itself where it lies outside of them. No values give three None.
    Right for independent values of any distribution, at an n not chosen by looking at them.

    Raises ValueError for q or confidence outside (0, 1), for NaN and for -inf.
    Source: David and Nagaraja, Order Statistics (2003), section 7.1.
    """
    _inside(q, "q")
    _inside(confidence, "confidence")
    ordered = _ordered(values)
    if ordered.size == 0:
        return Bound(None, None, None)
    lower, upper = order_ranks(ordered.size, q, (1 + confidence) / 2)
    value = _interpolated(ordered, q)
    # Of very few values the interpolated one can lie outside its order statistics.
    low = None if lower is None else min(float(ordered[lower - 1]), value)
    high = None if upper is None else max(float(ordered[upper - 1]), value)
    return Bound(_finite(value), _finite(low), _finite(high))


def quantile(values: npt.ArrayLike, q: float) -> float:
    """Return the q-quantile of latencies, interpolated linearly; `inf` where it is infinite.

    `values`: shape (n,), n >= 1, seconds, may hold `inf`. A statistic for `tuner.stats.noise`.
    Errors as `quantile_bounds`, and ValueError for no values.
    """
    _inside(q, "q")
    ordered = _ordered(values)
    if ordered.size == 0:
        raise ValueError("no values have no quantile")
    return _interpolated(ordered, q)


def order_ranks(n: int, q: float, confidence: float) -> tuple[int | None, int | None]:
    """Return the ranks (1 to n) of the order statistics that bound the q-quantile.

    Each of the two holds with probability `confidence` at least; None where n values cannot
    hold it. The number of values below the quantile is Binomial(n, q): the lower rank is
    the largest i with P(Binomial <= i - 1) <= 1 - confidence, the upper one the smallest j
    with P(Binomial <= j - 1) >= confidence (Clopper-Pearson, turned around).
    """
    below = special.bdtr(np.arange(n), n, q)  # P(Binomial <= rank - 1) for ranks 1 to n
    lower = int(np.searchsorted(below, 1 - confidence, side="right"))
    upper = int(np.searchsorted(below, confidence, side="left")) + 1
    return lower or None, upper if upper <= n else None


def minimum_n(q: float, confidence: float = 0.95) -> int:
    """Return the least n at which the largest of n values bounds the q-quantile from above.

    `confidence` is one-sided: 299 for p99 at 95 %. Smallest n with 1 - q**n >= confidence.
    Raises ValueError for q or confidence outside (0, 1).
    """
    _inside(q, "q")
    _inside(confidence, "confidence")
    return math.ceil(math.log1p(-confidence) / math.log(q))


def _ordered(values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    ordered = np.sort(np.asarray(values, dtype=np.float64).ravel())
    if np.isnan(ordered).any() or np.isneginf(ordered).any():
        raise ValueError("latencies must be numbers or +inf")
    return ordered


def _interpolated(ordered: npt.NDArray[np.float64], q: float) -> float:
    """Return numpy's linear quantile of sorted values that may end in infinities."""
    place = q * (ordered.size - 1)
    below, above = float(ordered[math.floor(place)]), float(ordered[math.ceil(place)])
    if math.isinf(above):
        return math.inf
    share = place - math.floor(place)
    # To the last bit what np.quantile gives, at a small part of its time.
    gap = above - below
    return above - gap * (1 - share) if share >= 0.5 else below + gap * share


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _inside(value: float, name: str) -> None:
    if not 0 < value < 1:
        raise ValueError(f"{name} must lie strictly between 0 and 1, not {value!r}")
