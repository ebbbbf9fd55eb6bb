"""Estimate how engine starts differ, and what to expect of a further one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy

LEAST_REQUESTS = 10
"""The fewest requests of a start that show its level."""


@dataclass(frozen=True, slots=True)
class Spread:
    """The spread of `starts` levels: the standard deviation of their logarithms.

    With a confidence of 95 % the level of a further start is at most `slower` times the mean.
    """

    starts: int
    deviation: float
    slower: float


def spread(starts: Sequence[npt.ArrayLike], confidence: float = 0.95) -> Spread | None:
    """Return how the medians of latencies by engine start spread, and where the next may lie.

    The upper end of a one-sided prediction interval for one more of n normal log medians:
    mean + t(n - 1) s sqrt(1 + 1 / n) (Student 1908; Hahn and Meeker, Statistical Intervals,
    1991, section 4.3). `starts`: arrays of seconds. None for fewer than two with LEAST_REQUESTS
    latencies, and where a median is not finite and positive.
    """
    medians = [float(np.median(s)) for s in map(np.asarray, starts) if s.size >= LEAST_REQUESTS]
    n = len(medians)
    if n < 2 or not all(0 < m < math.inf for m in medians):
        return None
    deviation = float(np.log(medians).std(ddof=1))
    student = float(scipy.special.stdtrit(n - 1, confidence))
    return Spread(n, deviation, math.exp(student * deviation * math.sqrt(1 + 1 / n)))
