"""What certificates for independent lateness do, computed instead of simulated."""

from __future__ import annotations

import numpy as np
from scipy import stats

from tuner.stats.eprocess import Bets, fail_bets, pass_bets, wealth


def operating(
    rate: float, quantile: float, limit: int, alpha: float = 0.05
) -> tuple[float, float, float, float]:
    """Return the chances of PASS, FAIL and UNDECIDED, and the expected requests.

    Of `certify` with m = 0, looked at after each of at most `limit` requests that are late
    independently at `rate`. The late requests so far are a Markov chain; its paths end where
    an e-value reaches 1 / alpha. Paths with more late ones than 1e-13 of all are left out.
    """
    passing, failing = pass_bets(quantile), fail_bets(quantile)
    counts = np.arange(int(stats.binom.isf(1e-13, limit, rate)) + 2)
    alive = np.where(counts == 0, 1.0, 0.0)
    passed = failed = expected = 0.0
    for n in range(1, limit + 1):
        if alive.sum() < 1e-12:
            break
        expected += alive.sum()
        alive = alive * (1 - rate) + np.roll(alive, 1) * rate
        fails = _reached(counts, n, failing, alpha)
        passes = _reached(counts, n, passing, alpha) & ~fails
        passed, failed = passed + alive[passes].sum(), failed + alive[fails].sum()
        alive = np.where(passes | fails, 0.0, alive)
    return float(passed), float(failed), float(alive.sum()), float(expected)


def at_most(late: int, n: int, rate: float) -> tuple[float, float, float, float]:
    """Return the same of a rule that passes when at most `late` of n requests are late."""
    passed = float(stats.binom.cdf(late, n, rate))
    return passed, 1 - passed, 0.0, float(n)


def _reached(counts: np.ndarray, n: int, bets: Bets, alpha: float) -> np.ndarray:
    """Tell after which counts of late requests among n the e-value is at the bar."""
    return wealth(np.minimum(counts, n), np.full(counts.size, n), bets) >= 1 / alpha
