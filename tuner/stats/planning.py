"""Plan how many requests a verdict takes, as if lateness were independent; never for a verdict."""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from tuner.stats.bernoulli import divergence
from tuner.stats.eprocess import Bools, check_levels, fail_bets, pass_bets, wealth

Ints = npt.NDArray[np.int64]

MIXTURE_COST = 1.1
"""Requests of the mixture relative to the SPRT that knows the rate; simulated 1.05-1.12."""


def sprt_bound(late_rate: float, quantile: float = 0.99, alpha: float = 0.05) -> float:
    """Return the least average number of requests of a right verdict; inf at 1 - quantile.

    log(1 / alpha) / KL(late_rate || 1 - quantile): what Wald's SPRT (1945) needs, which knows
    the rate. Below 1 - quantile for a PASS, above it for a FAIL. Independent lateness. Raises
    ValueError for a late rate outside [0, 1], quantile or alpha outside (0, 1).
    """
    check_levels(quantile, alpha)
    if not 0 <= late_rate <= 1:
        raise ValueError(f"late_rate must lie in [0, 1], not {late_rate!r}")
    growth = divergence(late_rate, 1 - quantile)
    # 1 - 0.99 is not 0.01 to the last bit: at the bound the growth is rounding alone.
    return math.log(1 / alpha) / growth if growth > 1e-15 else math.inf


def expected_requests(late_rate: float, quantile: float = 0.99, alpha: float = 0.05) -> float:
    """Return about how many requests a PASS takes at a true late rate; inf if it never falls.

    `sprt_bound` times MIXTURE_COST, and its errors.
    """
    bound = sprt_bound(late_rate, quantile, alpha)
    return MIXTURE_COST * bound if late_rate < 1 - quantile else math.inf


def requests_to_pass(late: int, n: int, quantile: float = 0.99, alpha: float = 0.05) -> int:
    """Return how many more requests a PASS takes, m = 0, if none of them is late.

    0 where it has been reached. For planning. Raises ValueError for impossible counts, or
    quantile or alpha outside (0, 1).
    """
    check_levels(quantile, alpha)
    if not 0 <= late <= n:
        raise ValueError(f"{late!r} late of {n!r} cannot be")
    bets, enough = pass_bets(quantile), 1
    while wealth(late, n + enough, bets) < 1 / alpha:
        enough *= 2
    return bisect.bisect_left(
        range(enough), 1 / alpha, key=lambda more: float(wealth(late, n + more, bets))
    )


def pass_probability(
    late_so_far: int,
    n_so_far: int,
    n_more: int,
    quantile: float,
    alpha: float,
    rng: np.random.Generator,
    draws: int = 200,
    seen_before: tuple[int, int] = (0, 0),
) -> float:
    """Predict the chance that PASS falls within `n_more` further requests.

    It draws late rates from the Jeffreys posterior Beta(late + 1/2, n - late + 1/2), draws futures
    from each, and continues the e-processes (m = 0) from the counts. A future in which FAIL falls
    first has no PASS. `seen_before` (late, n) are further requests of the candidate: they inform
    the rate but are no evidence. For dropping a finalist, not for a verdict. Raises ValueError for
    impossible counts, or quantile or alpha outside (0, 1).
    """
    check_levels(quantile, alpha)
    if not 0 <= late_so_far <= n_so_far or n_more < 0 or draws < 1:
        raise ValueError("need 0 <= late_so_far <= n_so_far, n_more >= 0 and draws >= 1")
    late_all, n_all = late_so_far + seen_before[0], n_so_far + seen_before[1]
    rate = rng.beta(late_all + 0.5, n_all - late_all + 0.5, size=(draws, 1))
    future = rng.random((draws, n_more)) < rate
    late = late_so_far + np.hstack([np.zeros((draws, 1), np.int64), future.cumsum(axis=1)])
    total = n_so_far + np.arange(n_more + 1)
    unproven = _least_late(total, lambda n: wealth(n, total, pass_bets(quantile)) < 1 / alpha)
    refuted = _least_late(total, lambda n: wealth(n, total, fail_bets(quantile)) >= 1 / alpha)
    return float(np.mean(_first(late < unproven) < _first(late >= refuted)))


def _least_late(total: Ints, turned: Callable[[Ints], Bools]) -> Ints:
    """Return for each total the fewest late requests at which something turns true, by halving.

    It stays true with more of them, as each late request only adds to a FAIL and takes from a
    PASS; where it never turns it is total + 1. So two borders stand for the wealth of each future.
    """
    least, most = np.zeros_like(total), total + 1
    while (searched := least < most).any():
        middle = (least + most) // 2
        there = turned(np.minimum(middle, total))
        least = np.where(searched & ~there, middle + 1, least)
        most = np.where(searched & there, middle, most)
    return least


def _first(reached: Bools) -> Ints:
    """Return the first true index along the last axis, and its length where there is none."""
    if reached.shape[-1] == 0:
        return np.zeros(reached.shape[:-1], dtype=np.int64)
    first: Ints = reached.argmax(axis=-1)
    return np.where(reached.any(axis=-1), first, np.int64(reached.shape[-1]))
