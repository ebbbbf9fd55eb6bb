"""Judge by pairs of answers whether a candidate is at most a margin worse than the baseline.

Both answered the same prompts, one of each template. The difference of each pair lies in
[-1, 1]; it is rescaled to [0, 1] and judged by the betting e-processes of `tuner.stats.shares`,
whose promises and limits hold here too.
"""

from __future__ import annotations

import math
from bisect import bisect_left

import numpy as np
import numpy.typing as npt

from tuner.spec.values import Verdict
from tuner.stats.crossing import crossing
from tuner.stats.quantiles import Bound
from tuner.stats.shares import share_bounds, show_above, show_below

Floats = npt.NDArray[np.float64]


def judge_noninferior(
    candidate: npt.ArrayLike,
    baseline: npt.ArrayLike,
    margin: float,
    alpha: float = 0.05,
    weights: npt.ArrayLike = 1.0,
) -> Verdict:
    """Judge whether the candidate is at most `margin` worse than the baseline.

    `candidate` and `baseline`: shape (n,), values in [0, 1] of the same prompts, a pair for each
    template; `margin` in [0, 1) (0.02 is 2 points); `weights` as in `shares`. PASS when the mean
    difference is shown above -margin (non-inferiority), FAIL when shown below, else UNDECIDED;
    each is wrong in at most alpha of cases.

    Raises ValueError for unequal lengths, values outside [0, 1] or a margin outside [0, 1).
    """
    _check_margin(margin)
    rescaled = _rescaled(candidate, baseline)
    bound = (1 - margin) / 2
    if show_above(rescaled, bound, alpha, weights):
        return "PASS"
    return "FAIL" if show_below(rescaled, bound, alpha, weights) else "UNDECIDED"


def difference_bounds(
    candidate: npt.ArrayLike,
    baseline: npt.ArrayLike,
    confidence: float = 0.95,
    weights: npt.ArrayLike = 1.0,
) -> Bound:
    """Return the mean paired difference, candidate - baseline, with an anytime interval.

    Shapes and errors as `judge_noninferior`; the interval is that of `share_bounds`, so it lies
    within [-1, 1]. Three None without pairs.
    """
    bound = share_bounds(_rescaled(candidate, baseline), confidence, weights)
    if bound.value is None or bound.low is None or bound.high is None:
        return bound
    return Bound(2 * bound.value - 1, 2 * bound.low - 1, 2 * bound.high - 1)


def pairs_needed(
    discordance: float, margin: float, difference: float = 0.0, alpha: float = 0.05
) -> float:
    """Return about how many independent pairs a PASS of non-inferiority takes; inf for never.

    `discordance` is the share of pairs in which one of the two is right and the other
    wrong, `difference` the true mean of candidate - baseline, with |difference| <=
    discordance. log(1 / alpha) over the growth rate of the best fixed bet (Kelly 1956):
    the least that any bet needs. The mixture, which does not know the best bet, needs
    1.2 to 1.5 times as many (simulated: 218 for 150, 485 for 393, 2,040 for 1,520).

    Raises ValueError for impossible shares or a margin outside [0, 1).
    """
    _check_margin(margin)
    if not abs(difference) <= discordance <= 1:
        raise ValueError("need |difference| <= discordance <= 1")
    if difference + margin <= 0:
        return math.inf
    return math.log(1 / alpha) / _best_growth(discordance, margin, difference)


def fewest_pairs(margin: float, alpha: float = 0.05) -> int:
    """Return how many pairs a PASS takes where all answers are alike; with fewer there is none.

    Raises ValueError for a margin outside (0, 1).
    """
    if not 0 < margin < 1:
        raise ValueError(f"margin must lie strictly between 0 and 1, not {margin!r}")
    most = 1
    while not _all_alike_pass(most, margin, alpha):
        most *= 2
    return bisect_left(range(most), True, key=lambda n: _all_alike_pass(n, margin, alpha))


def _all_alike_pass(n: int, margin: float, alpha: float) -> bool:
    return judge_noninferior(np.ones(n), np.ones(n), margin, alpha) == "PASS"


def _best_growth(discordance: float, margin: float, difference: float) -> float:
    """Return the largest mean log growth per pair over fixed bets on d + margin."""
    chance = np.array([discordance + difference, discordance - difference]) / 2
    chance = np.append(chance, 1 - discordance)
    gain = np.array([1.0, -1.0, 0.0]) + margin
    largest = 0.99 / (1 - margin)  # as in shares: wealth stays positive after any pair

    def falls(bet: float) -> float:
        return -float(chance @ (gain / (1 + bet * gain)))

    best = crossing(falls, 0.0, largest)
    return float(chance @ np.log1p(best * gain))


def _rescaled(candidate: npt.ArrayLike, baseline: npt.ArrayLike) -> Floats:
    """Return the difference of each pair, moved from [-1, 1] to [0, 1]."""
    ours = np.asarray(candidate, dtype=np.float64)
    theirs = np.asarray(baseline, dtype=np.float64)
    if ours.shape != theirs.shape:
        raise ValueError("candidate and baseline must have answered the same prompts")
    moved: Floats = (ours - theirs + 1) / 2
    return moved


def _check_margin(margin: float) -> None:
    if not 0 <= margin < 1:
        raise ValueError(f"margin must lie in [0, 1), not {margin!r}")
