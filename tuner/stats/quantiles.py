"""Estimate quantiles of latencies, with bounds that assume no distribution.

A failed request is infinitely late, so values may hold `inf`. A quantile or a bound that falls on
it is None.
"""

from __future__ import annotations

import bisect
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tuner.stats.bernoulli import odds, share_at
from tuner.stats.eprocess import Bets, Bools, evidence, fail_bets, pass_bets
from tuner.stats.strands import Strands, single

NEAR = (1.15, 1.3, 1.6, 2.5, 6.0)
"""Odds ratios that are bet on beside a quantile such as the median: 1.2 is found by about 1,000
values, 1.5 by 200."""


@dataclass(frozen=True, slots=True)
class Bound:
    """An estimate and its interval, in the unit of the values; None where there is none."""

    value: float | None
    low: float | None
    high: float | None


def quantile_bounds(
    values: npt.ArrayLike,
    q: float,
    alpha: float = 0.025,
    strands: Strands | None = None,
    bets: tuple[Bets, Bets] | None = None,
) -> Bound:
    """Return the q-quantile of latencies with an interval that holds at every n at once.

    `values`: shape (n,), seconds, in the order of sending; `inf` is a failed request. `value` is
    numpy's linear interpolation, None only when infinite. `high` is the least value above which
    less than a share 1 - q is shown to lie; `low` is the largest value from which on more than
    1 - q is shown to lie. Each is wrong in at most `alpha` of cases. A bound is None where n shows
    none; `high` is also None where it or the value is infinite. Where a bound would cut off the
    value, the value takes its place. No values give three None.

    The e-values of `tuner.stats.eprocess` over `strands` decide what is shown, with `bets` (by
    default `interval_bets`). With the bets of a certificate, a target is at or above `high` where
    the certificate is a PASS.

    Raises ValueError for q or alpha outside (0, 1), for NaN and for -inf. Source: a confidence
    sequence by inverting e-processes, as Howard and Ramdas, Sequential estimation of quantiles
    with applications to A/B testing and best-arm identification, Bernoulli 2022.
    """
    _inside(q, "q")
    _inside(alpha, "alpha")
    given = np.asarray(values, dtype=np.float64).ravel()
    ordered = _ordered(given)
    if ordered.size == 0:
        return Bound(None, None, None)
    strands = strands or single(given.size)
    below, above = bets or interval_bets(q)

    def shown(late: Bools, side: Bets) -> bool:
        return evidence(late, side, strands) >= 1 / alpha

    ranks = range(ordered.size)
    upper = bisect.bisect_left(ranks, True, key=lambda rank: shown(given > ordered[rank], below))
    lower = bisect.bisect_left(
        ranks, True, key=lambda rank: not shown(given >= ordered[rank], above)
    ) - 1  # fmt: skip
    value = _interpolated(ordered, q)
    low = min(float(ordered[lower]), value) if lower >= 0 else None
    high = max(float(ordered[upper]), value) if upper < ordered.size else None
    return Bound(_finite(value), _finite(low), _finite(high))


def interval_bets(q: float) -> tuple[Bets, Bets]:
    """Return the bets of an interval, below and above 1 - q: those of a certificate from p90 on.

    Below p90 they are rates whose odds are NEAR times smaller and larger than the bound's.
    """
    if q >= 0.9:
        return pass_bets(q), fail_bets(q)
    masses = np.full(len(NEAR), 1 / len(NEAR))
    near = np.array(NEAR)
    below, above = (Bets(1 - q, share_at(odds(1 - q) * by), masses) for by in (1 / near, near))
    return below, above


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
