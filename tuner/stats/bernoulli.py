"""Events with two outcomes: odds, and how far two shares lie apart.

`scipy.special` has these too, and takes 0.15 s to import, which most commands can do without.
"""

from __future__ import annotations

import math
from typing import TypeVar

import numpy as np
import numpy.typing as npt

T = TypeVar("T", float, npt.NDArray[np.float64])


def odds(share: T) -> T:
    """Return the odds of a share below 1."""
    return share / (1 - share)


def share_at(odds: T) -> T:
    """Return the share that has finite odds."""
    return odds / (1 + odds)


def divergence(share: float, other: float) -> float:
    """Return KL(share || other) in nats, inf where `other` rules out what `share` does not.

    Source: Kullback and Leibler (1951).
    """
    return _term(share, other) + _term(1 - share, 1 - other)


def _term(p: float, q: float) -> float:
    if p == 0:
        return 0.0
    return p * math.log(p / q) if q > 0 else math.inf
