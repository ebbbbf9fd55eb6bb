"""Judge shares of good answers: betting e-processes for means of values in [0, 1].

Answers to one template are not independent, so each template is one observation: its first
answer, which weighs as much as the template does in the traffic. The estimand is the weighted
mean over templates like those that were asked.

The e-value against "mean <= floor" is the wealth of a gambler who stakes a fixed fraction
of it on every value: the product of 1 + lambda w (x - floor), w being the weight as a share of the
largest one. A mixture over fixed lambda in [0, 1 / floor) needs no tuning and stays valid
(Waudby-Smith and Ramdas, Estimating means of bounded random variables by betting, JRSS B 2024,
section 4). It may be looked at after every value; what counts is the wealth now.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from tuner.spec.values import Verdict
from tuner.stats.bernoulli import divergence
from tuner.stats.quantiles import Bound

BETS = (0.03, 0.1, 0.25, 0.5, 0.75, 0.99)
"""The mixture's stakes as shares of the largest allowed one, 1 / floor, with equal mass.

(p - floor) / (1 - floor) is the best one for a share p of yes-or-no values: large where all
answers are good, small where a share lies little above its floor.
"""

MIXTURE_COST = 1.35
"""Answers of the mixture relative to the best stake: simulated 1.2 to 1.5."""

_STEPS = 30  # halvings of [0, 1] when a bound is sought: 1e-9
_CAP = 680.0  # keeps exp() finite

Floats = npt.NDArray[np.float64]


def evidence_above(values: npt.ArrayLike, floor: float, weights: npt.ArrayLike = 1.0) -> Floats:
    """Return the e-value against "mean <= floor" after each value.

    `values`: shape (n,), independent, in [0, 1], in an order that does not depend on them;
    `weights` in (0, 1], one for each or one for all. A floor below 0 cannot be missed: the
    e-values are infinite. Raises ValueError for values or weights outside, and a NaN floor.
    Source: see the module.
    """
    x = _checked(values, floor)
    if floor < 0:
        return np.full(x.size, np.inf)
    bets = np.array(BETS)
    # lambda = bet / floor; a floor of 0 allows any stake, 1e-9 stands for it.
    won = _weights(weights, x) * (x - floor) / max(floor, 1e-9)
    grown = np.log1p(bets * won[:, None]).cumsum(axis=0)
    wealth: Floats = np.exp(np.minimum(grown, _CAP)).mean(axis=1)
    return wealth


def show_above(
    values: npt.ArrayLike, floor: float, alpha: float, weights: npt.ArrayLike = 1.0
) -> bool:
    """Tell whether the mean is shown to lie above `floor`, wrongly in at most alpha of cases.

    True when `evidence_above` is 1 / alpha or more after all values (Ville's inequality); also
    errors as there, and ValueError for alpha outside (0, 1).
    """
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must lie strictly between 0 and 1, not {alpha!r}")
    found = evidence_above(values, floor, weights)
    return bool(found.size and found[-1] >= 1 / alpha)


def show_below(
    values: npt.ArrayLike, ceiling: float, alpha: float, weights: npt.ArrayLike = 1.0
) -> bool:
    """Tell whether the mean is shown to lie below `ceiling`: `show_above` turned around."""
    return show_above(1 - np.asarray(values, dtype=np.float64), 1 - ceiling, alpha, weights)


def share_bounds(
    values: npt.ArrayLike, confidence: float = 0.95, weights: npt.ArrayLike = 1.0
) -> Bound:
    """Return the weighted mean of values in [0, 1] with an interval that holds at every n at once.

    `values`, `weights`: as for `evidence_above`. `low` and `high` are the tests of
    `show_above` and `show_below`, each at (1 - confidence) / 2, inverted by bisection: the
    evidence falls as the floor rises. 0 and 1 where nothing tighter is shown; three None
    for no values. Errors as `show_above`.
    """
    x = np.asarray(values, dtype=np.float64)
    if x.size == 0:
        return Bound(None, None, None)
    alpha, w = (1 - confidence) / 2, _weights(weights, x)
    low, high = _highest_floor(x, alpha, w), 1 - _highest_floor(1 - x, alpha, w)
    # Rounding alone can put a mean of 1 a hair below its own bounds.
    return Bound(float(np.clip(np.average(x, weights=w), low, high)), low, high)


def judge_share(
    values: npt.ArrayLike, floor: float, alpha: float = 0.05, weights: npt.ArrayLike = 1.0
) -> Verdict:
    """Judge whether the share of good answers, as a weighted mean, reaches `floor`.

    `values`, `weights`: as for `evidence_above`. PASS when shown above the floor, FAIL when
    shown below it, else UNDECIDED; each is wrong in at most alpha of cases. A floor of 0 asks
    for nothing: PASS. Errors as `show_above`.
    """
    if floor <= 0:
        return "PASS"
    if show_above(values, floor, alpha, weights):
        return "PASS"
    return "FAIL" if show_below(values, floor, alpha, weights) else "UNDECIDED"


def answers_needed(share: float | None, floor: float, alpha: float = 0.05) -> float:
    """Return about how many independent answers show that a share lies above its floor.

    log(1 / alpha) over the relative entropy of share to floor, which is what the best stake
    needs, times MIXTURE_COST; infinite where the share is unknown or not above the floor.
    """
    if share is None or share <= floor:
        return math.inf
    return MIXTURE_COST * math.log(1 / alpha) / divergence(share, floor)


def _highest_floor(values: Floats, alpha: float, weights: Floats) -> float:
    """Return the highest floor above which the mean is shown to lie, 0 if there is none."""
    low, high = 0.0, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        shown = show_above(values, middle, alpha, weights)
        low, high = (middle, high) if shown else (low, middle)
    return low


def _weights(weights: npt.ArrayLike, values: Floats) -> Floats:
    w: Floats = np.broadcast_to(np.asarray(weights, dtype=np.float64), values.shape)
    if not ((w > 0) & (w <= 1)).all():
        raise ValueError("weights must lie in (0, 1]")
    return w


def _checked(values: npt.ArrayLike, floor: float) -> Floats:
    x = np.asarray(values, dtype=np.float64).ravel()
    if math.isnan(floor):
        raise ValueError("the floor of a mean must be a number")
    if not ((x >= 0) & (x <= 1)).all():
        raise ValueError("values must lie in [0, 1]")
    return x
