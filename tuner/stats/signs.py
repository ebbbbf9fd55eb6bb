"""Tell by signs of interleaved blocks that one side is better: a betting e-process.

Both sides answer the same prompts in pairs of blocks, whose order is drawn anew each time. While
ours is not better, it wins a pair with a chance of at most a half, whatever happened before and
however latencies are distributed. A gambler who stakes the share 2 p - 1 on a win multiplies the
stake by 2 p or 2 (1 - p); the mean over p between 1/2 and 1 is an e-process (Ville 1939; Robbins
1970). It may be looked at after each pair, and goes on from night to night.
"""

from __future__ import annotations

import math
from bisect import bisect_right

import numpy as np
import numpy.typing as npt
import scipy

from tuner.stats.quantiles import Bound

_CAP = 680.0  # keeps exp() finite


def evidence_better(wins: int, losses: int) -> float:
    """Return the e-value against "ours wins at most half of the pairs" (finite).

    A tie is a loss. With w wins and l losses it is 2**(w + l + 1) times the integral of
    p**w (1 - p)**l over p from 1/2 to 1. Raises ValueError for counts below 0.
    """
    if min(wins, losses) < 0:
        raise ValueError(f"wins and losses are counts, not {wins} and {losses}")
    a, b = wins + 1.0, losses + 1.0
    upper = float(scipy.special.betaincc(a, b, 0.5))
    if upper <= 0:
        return 0.0
    log = (wins + losses + 1) * math.log(2) + float(scipy.special.betaln(a, b)) + math.log(upper)
    return math.exp(min(log, _CAP))


def wins_needed(alpha: float) -> int:
    """Return how many wins without a loss show at an error of `alpha` that ours is better."""
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must lie strictly between 0 and 1, not {alpha!r}")
    wins = 0
    while evidence_better(wins, 0) < 1 / alpha:
        wins += 1
    return wins


def median_bounds(differences: npt.ArrayLike, error: float) -> Bound:
    """Return the median difference of pairs, with bounds that hold at every n at once.

    `differences`: shape (n,), in any unit, infinite where one side did not answer, NaN where
    neither did. Each bound is wrong in at most `error` of cases: it is the test of
    `evidence_better`, inverted (a difference above x is a win against x). None where so few pairs
    bound nothing. Raises ValueError for an error outside (0, 1).
    """
    if not 0 < error < 1:
        raise ValueError(f"error must lie strictly between 0 and 1, not {error!r}")
    seen = np.asarray(differences, dtype=np.float64)
    known = seen[~np.isnan(seen)]
    low, high = _least_median(seen, error), _least_median(-seen, error)
    with np.errstate(invalid="ignore"):  # half of them infinite in either direction
        value = float(np.median(known)) if known.size else math.nan
    return Bound(_finite(value), _finite(low), _finite(-high))


def pairs_to_show(chance: float, error: float, most: int = 1000) -> float:
    """Return about how many pairs show what holds in a pair with a chance; inf beyond `most`.

    It is the number at which `evidence_better` gets to 1 / error where as many pairs as expected
    are won. For planning, never for a verdict.
    """
    won = (round(chance * n) for n in range(1, most + 1))
    enough = (n for n, w in enumerate(won, 1) if evidence_better(w, n - w) >= 1 / error)
    return next(enough, math.inf)


def _least_median(differences: npt.NDArray[np.float64], error: float) -> float:
    """Return the largest value that the median is shown to reach, -inf where there is none."""
    ranked = np.sort(np.nan_to_num(differences, nan=-math.inf, posinf=math.inf, neginf=-math.inf))
    n = ranked.size
    # so many of the smallest may lie below it: the evidence falls with each of them
    most = bisect_right(range(n), -1 / error, key=lambda k: -evidence_better(n - k, k))
    return float(ranked[most - 1]) if most else -math.inf


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
