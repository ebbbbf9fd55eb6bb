"""Tell by signs of interleaved blocks that one side is better: a betting e-process.

Both sides answer the same prompts in pairs of blocks, whose order is drawn anew each time. While
ours is not better, it wins a pair with a chance of at most a half, whatever happened before and
however latencies are distributed. A gambler who stakes the share 2 p - 1 on a win multiplies the
stake by 2 p or 2 (1 - p); the mean over p between 1/2 and 1 is an e-process (Ville 1939; Robbins
1970). It may be looked at after each pair, and goes on from night to night.
"""

from __future__ import annotations

import math

import scipy

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
