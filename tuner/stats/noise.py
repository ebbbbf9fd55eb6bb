"""Judge levels of blocks: whether they drift, whether two differ, and whether to claim it.

A block is one uninterrupted run of requests; blocks come from several engine starts, or from
several times of the only one. What differs between blocks (where memory landed, the machine's
other work) does not average out within a block, so blocks are the repetitions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import scipy

from tuner.stats.quantiles import Bound

Floats = npt.NDArray[np.float64]
Statistic: TypeAlias = Callable[[Floats], float]

LEAST_BLOCKS = 4

LEAST_CHANGE = 0.03
"""A difference below this share is called none, however clear it is."""

ALLOWANCE = 0.05
"""Two occasions differ by up to this share without any change, as the starts of one do not show;
so do sides that did not take turns."""

TREND_P = 0.1
"""Four blocks in the order of their levels have a two-sided p of 2 / 4! = 0.083."""


@dataclass(frozen=True, slots=True)
class Drift:
    """How a level moved over blocks in time.

    `ratio` is the last block's level to the first's along the trend, `p` the chance of so
    clear an order without one, `chance` the |log ratio| that comes without a trend.
    """

    ratio: float
    p: float
    chance: float
    blocks: int

    @property
    def beyond_chance(self) -> bool:
        """Tell whether there is a trend, larger and steadier than chance makes one."""
        return self.p < TREND_P and abs(math.log(self.ratio)) > self.chance


def beyond_noise(ratio: Bound, floor: float) -> Literal["lower", "higher"] | None:
    """Tell on which side of 1 a ratio and its interval lie, None within the noise floor.

    `run` and `compare` claim a difference of two candidates by this rule alone.
    """
    if ratio.value is None or ratio.value <= 0 or abs(math.log(ratio.value)) <= floor:
        return None
    if ratio.value < 1:
        return "lower" if ratio.high is not None and ratio.high < 1 else None
    return "higher" if ratio.low is not None and ratio.low > 1 else None


def level_ratio(ours: Sequence[float], theirs: Sequence[float], confidence: float = 0.95) -> Bound:
    """Return the ratio of two levels that were seen once for each engine start.

    It is the ratio of the geometric means. Its interval is Student's for the difference of two
    means of logarithms with one variance (Student 1908). All three are None for fewer than two
    starts on a side, or a level that is not finite and positive.
    """
    logs = [np.log(np.asarray(levels, dtype=np.float64)) for levels in (ours, theirs)]
    sizes = [side.size for side in logs]
    if min(sizes) < 2 or not all(np.isfinite(side).all() for side in logs):
        return Bound(None, None, None)
    free = sum(sizes) - 2
    pooled = sum(float(side.var(ddof=1)) * (side.size - 1) for side in logs) / free
    student = float(scipy.special.stdtrit(free, (1 + confidence) / 2))
    width = student * math.sqrt(pooled * sum(1 / n for n in sizes))
    value = float(logs[0].mean() - logs[1].mean())
    return Bound(math.exp(value), math.exp(value - width), math.exp(value + width))


def drift(blocks: Sequence[npt.ArrayLike], statistic: Statistic) -> Drift | None:
    """Return the trend of `statistic` over blocks of one candidate in time order.

    `blocks`: at least four arrays of shape (k,), seconds; None where a level is not finite and
    positive. The slope of the log levels is that of Theil (1950) and Sen (1968), `p` that of
    Kendall's tau (Mann 1945), exact without ties; what comes by chance is the half width of
    Student's interval for the change over all blocks, never less than `LEAST_CHANGE`. Simulated
    without a trend it finds one in 4 to 10 % of cases with 4 to 8 blocks; one of 20 % over all
    blocks in 58 to 92 % where like blocks differ by 3 %, in 16 to 32 % where by 10 %.

    Raises ValueError for fewer than four blocks or an empty block.
    """
    data = _checked(blocks, LEAST_BLOCKS)
    levels = np.array([statistic(b) for b in data])
    if not (np.isfinite(levels) & (levels > 0)).all():
        return None
    logs, places = np.log(levels), np.arange(len(data))
    early, late = np.triu_indices(len(data), 1)
    slope = float(np.median((logs[late] - logs[early]) / (late - early)))
    chance = max(_change_by_chance(logs - slope * places), LEAST_CHANGE)
    ratio = math.exp(slope * (len(data) - 1))
    return Drift(ratio, _chance_of_order(logs), chance, len(data))


def _chance_of_order(values: Floats) -> float:
    """Return the two-sided p of Kendall's tau between values and their places.

    Without ties it is exact, by how many orders have so few inversions; with ties it is that of
    a normal score with the variance of Kendall (1970), chapter 4. scipy.stats has the same, and
    takes half a second to import.
    """
    n = values.size
    early, late = np.triu_indices(n, 1)
    score = abs(int(np.sign(values[late] - values[early]).sum()))
    alike = np.unique(values, return_counts=True)[1]
    if alike.max() == 1:
        inversions = np.ones(1)
        for size in range(2, n + 1):
            inversions = np.convolve(inversions, np.full(size, 1 / size))
        return min(1.0, 2 * float(inversions[: (early.size - score) // 2 + 1].sum()))
    variance = (_spread_of_score(n) - sum(map(_spread_of_score, alike.tolist()))) / 18
    return 2 * float(scipy.special.ndtr(-score / math.sqrt(variance))) if variance else 1.0


def _spread_of_score(n: int) -> int:
    return n * (n - 1) * (2 * n + 5)


def _change_by_chance(levels: Floats) -> float:
    """Return how far the ends of a line through levels without a trend lie apart by chance."""
    n = levels.size
    places = np.arange(n) - (n - 1) / 2
    spread = math.sqrt(float(((levels - levels.mean()) ** 2).sum()) / (n - 2))
    student = float(scipy.special.stdtrit(n - 2, 1 - TREND_P / 2))
    return student * spread * (n - 1) / math.sqrt(float((places**2).sum()))


def _checked(blocks: Sequence[npt.ArrayLike], least: int) -> list[Floats]:
    data = [np.asarray(b, dtype=np.float64).ravel() for b in blocks]
    if len(data) < least:
        raise ValueError(f"need at least {least} blocks, not {len(data)}")
    if any(b.size == 0 for b in data):
        raise ValueError("a block without requests says nothing")
    return data
