"""Estimate how two sides differ that answered the same prompts in blocks.

Each side has several blocks (engine starts, or times of one start), and blocks of one side differ
by more than their requests show. So a difference is taken between block levels, without the
effects of prompts (`tuner.stats.levels`). Its interval is Student's t over blocks, whose error does
not depend on how many requests a block has. Half its width is the noise floor: the difference that
equal sides may show.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy

from tuner.stats.crossing import crossing
from tuner.stats.levels import Floats, Ints, levels
from tuner.stats.quantiles import Bound, quantile, quantile_bounds

LEAST_BLOCKS = 2
"""The fewest blocks of a side that show how its blocks differ."""

BLOCKS_FOR_TREND = 6
"""The fewest blocks in which a steady trend can be seen; in fewer it counts as noise."""

_SPREADS = np.geomspace(1e-4, 10.0, 120)
"""How far like blocks may lie apart, in logarithms or shares."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A difference, ours minus theirs; each bound errs in at most a stated share of cases."""

    value: float
    low: float
    high: float

    @property
    def floor(self) -> float:
        """Return the noise floor: the size of a difference that like sides reach by chance."""
        return self.high - self.value if self.value < 0 else self.value - self.low

    @property
    def difference(self) -> Bound:
        """Return a difference of shares, which lies within [-1, 1]."""
        return Bound(*(min(max(end, -1.0), 1.0) for end in (self.value, self.low, self.high)))

    @property
    def ratio(self) -> Bound:
        """Return a difference of logarithms as a ratio."""
        ends = (math.exp(e) if math.isfinite(e) else None for e in (self.low, self.high))
        return Bound(math.exp(self.value), *ends)


@dataclass(frozen=True, slots=True)
class Sides:
    """Requests of two sides, an entry each: whose they are, their block, template and prompt.

    `block` numbers blocks in time; a number belongs to one side. Where the sides took turns
    (`interleaved`) a steady trend over the blocks is taken out.
    """

    ours: npt.NDArray[np.bool_]
    block: Ints
    template: Sequence[str]
    prompt: Sequence[str]
    interleaved: bool = True

    def only(self, mask: npt.NDArray[np.bool_]) -> Sides:
        """Return the sides with these requests alone."""
        template, prompt = (list(np.asarray(n)[mask]) for n in (self.template, self.prompt))
        return Sides(self.ours[mask], self.block[mask], template, prompt, self.interleaved)

    @property
    def blocks(self) -> tuple[Ints, npt.NDArray[np.bool_]]:
        """Return the block of each request, numbered from 0, and whether each block is ours."""
        _, first, codes = np.unique(self.block, return_index=True, return_inverse=True)
        return codes, self.ours[first]


def mean_and_median(
    sides: Sides, seconds: npt.ArrayLike, errors: tuple[float, float]
) -> tuple[Estimate | None, Estimate | None]:
    """Return the log ratios, ours to theirs, of geometric mean and median latencies, by prompts.

    `seconds`: shape (n,), positive, inf for requests that failed. `errors` are the errors of the
    mean's bounds and of the median's. The mean leaves failed requests out, so a caller may claim it
    only for a side without any. The median of each block, without the effects of prompts, counts
    them as infinitely late. Both are None for fewer than two blocks on a side; the median is also
    None where half of a block failed.
    """
    known = np.asarray(seconds, dtype=np.float64)
    served = np.isfinite(known)
    codes, ours = sides.blocks
    all_blocks = len(np.unique(codes[served])) == len(ours)
    names = ([n for n, ok in zip(given, served, strict=True) if ok]
             for given in (sides.template, sides.prompt))  # fmt: skip
    found = levels(np.log(known[served]), codes[served], *names) if all_blocks else None
    if found is None or not _enough(ours):
        return None, None
    mean = _student(found.level, ours, found.covariance, errors[0], sides.interleaved)
    values = np.full(known.size, math.inf)
    values[served] = found.level[codes[served]] + found.noise
    medians = np.array([quantile(values[codes == b], 0.5) for b in range(len(ours))])
    if not np.isfinite(medians).all():
        return mean, None
    # the variance of a median of normal values is pi / 2 times that of their mean
    more = np.diag((math.pi / 2 - 1) * found.variance / np.bincount(codes))
    return mean, _student(medians, ours, found.covariance + more, errors[1], sides.interleaved)


def fewer_late(sides: Sides, late: npt.NDArray[np.bool_], error: float) -> Estimate | None:
    """Return our share of late requests minus theirs where ours is shown to be smaller, else None.

    Both of two tests have to show it, each at `error`. The sign test over prompts that were late on
    one side alone (McNemar 1947) is exact where few are late, but does not see blocks. The bound of
    the mean difference over blocks does.
    """
    if _sign_test(sides, late) > error:
        return None
    codes, ours = sides.blocks
    values = np.asarray(late, dtype=np.float64)
    found = levels(values, codes, sides.template, sides.prompt) if _enough(ours) else None
    if found is None:
        return None
    estimate = _student(found.level, ours, found.covariance, error, sides.interleaved)
    return estimate if estimate.high < 0 else None


def _sign_test(sides: Sides, late: npt.NDArray[np.bool_]) -> float:
    """Return the chance of so many prompts late on their side alone, were the sides alike."""
    first: dict[tuple[str, str, bool], bool] = {}
    for template, prompt, who, was in zip(
        sides.template, sides.prompt, sides.ours.tolist(), late.tolist(), strict=True
    ):
        first.setdefault((template, prompt, who), was)
    pairs = [(first[t, p, True], was) for (t, p, who), was in first.items()
             if not who and (t, p, True) in first]  # fmt: skip
    better, worse = pairs.count((False, True)), pairs.count((True, False))
    return float(scipy.special.bdtr(worse, better + worse, 0.5)) if better else 1.0


def quantile_log_ratio(
    sides: Sides, seconds: npt.ArrayLike, q: float, error: float
) -> Estimate | None:
    """Return the log ratio of a quantile of all latencies, ours to theirs, failures as inf.

    Its interval is the wider of two. Student's t over the jackknife's values, with one block left
    out at a time (Quenouille 1956, Tukey 1958), shows how blocks differ. The order statistics of
    each side show what a jackknife misses where few requests lie beyond the quantile; a bound that
    too few requests give is infinite. None for fewer than two blocks on a side, and where a
    quantile is infinite.
    """
    known = np.asarray(seconds, dtype=np.float64)
    codes, ours = sides.blocks
    if not _enough(ours):
        return None
    level = np.empty(len(ours))
    for side in (True, False):
        mine = np.flatnonzero(ours == side)
        whole = quantile(known[np.isin(codes, mine)], q)
        without = [quantile(known[np.isin(codes, mine[mine != b])], q) for b in mine]
        if not (math.isfinite(max(whole, *without)) and min(whole, *without) > 0):
            return None
        moved = (len(mine) - 1) * np.log(without)
        level[mine] = math.log(whole) + moved.mean() - moved
    found = _student(level, ours, np.zeros((len(ours),) * 2), error, trend=False)
    low, high = _left_open(known[sides.ours], known[~sides.ours], q, error)
    return Estimate(found.value, min(found.low, low), max(found.high, high))


def _left_open(ours: Floats, theirs: Floats, q: float, error: float) -> tuple[float, float]:
    """Return bounds of the log ratio of a quantile from each side's order statistics alone.

    Each side has a part of the error such that both together err as a difference of two normal
    values with like errors would; the parts are larger than `error`.
    """
    part = float(scipy.special.ndtr(scipy.special.ndtri(error) / math.sqrt(2)))
    mine, other = (quantile_bounds(side, q, part) for side in (ours, theirs))
    low = math.log(mine.low / other.high) if mine.low and other.high else -math.inf
    high = math.log(mine.high / other.low) if mine.high and other.low else math.inf
    return low, high


def _enough(ours: npt.NDArray[np.bool_]) -> bool:
    return bool(min(np.sum(ours), np.sum(~ours)) >= LEAST_BLOCKS)


def _student(
    level: Floats, ours: npt.NDArray[np.bool_], covariance: Floats, error: float, trend: bool
) -> Estimate:
    """Return the difference of two sides' block levels with its interval.

    Like blocks lie apart by an unknown spread, and levels err by `covariance` besides. For each
    spread the difference is normal, by generalised least squares; the interval is that of their
    mixture, weighed by restricted likelihood and the prior 1 / spread above what levels err by.
    Without such errors that is Student's t with as many degrees of freedom as there are blocks
    less the sides, and less one for a trend in the order of blocks.
    Source: Box and Tiao (1973), chapter 2 and 7.
    """
    time = np.arange(len(level)) - (len(level) - 1) / 2
    takes_trend = trend and len(level) >= BLOCKS_FOR_TREND
    design = np.column_stack([np.ones(len(level)), ours, *([time] if takes_trend else [])])
    total = _SPREADS[:, None, None] ** 2 * np.eye(len(level)) + covariance
    inverse = np.linalg.inv(total)
    weighed = design.T @ inverse
    spread = np.linalg.inv(weighed @ design)
    found = spread @ (weighed @ level)[..., None]
    left = level - (design @ found)[..., 0]
    misfit = np.einsum("si,sij,sj->s", left, inverse, left)
    logs = np.linalg.slogdet(spread)[1] - np.linalg.slogdet(total)[1] - misfit
    least = max(float(np.linalg.eigvalsh(covariance)[0]), 0.0)
    logs += np.log(_SPREADS**2 / (_SPREADS**2 + least))
    weights = np.exp((logs - logs.max()) / 2)
    return _mixture(found[:, 1, 0], np.sqrt(spread[:, 1, 1]), weights / weights.sum(), error)


def _mixture(centre: Floats, spread: Floats, weights: Floats, error: float) -> Estimate:
    """Return the mean of a mixture of normal distributions, and its quantiles at both errors."""

    def below(x: float) -> float:
        return float(weights @ scipy.special.ndtr((x - centre) / spread))

    def reached(share: float) -> float:
        each = centre + scipy.special.ndtri(share) * spread
        return crossing(lambda x: below(x) - share, float(each.min()), float(each.max()))

    return Estimate(float(weights @ centre), reached(error), reached(1 - error))
