"""Worlds of late requests with an exact late rate: independent, in bursts, autoregressive.

Bursts are stationary: a burst of b starts at any request with the same chance, so that
lateness is (b - 1)-dependent. AR(1) puts a threshold on a Gaussian process with correlation
0.9 from one request to the next: its dependence has no end, and m = 20 is where it is weak.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
from scipy import signal, stats

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class World:
    """One kind of lateness: `draw(rng, n, rate)` gives n indicators, `m` is its dependence."""

    name: str
    m: int
    draw: Callable[[np.random.Generator, int, float], Bools]


def bursts(rng: np.random.Generator, n: int, rate: float, length: int = 1) -> Bools:
    """Return n lateness indicators with the given late rate, in bursts of `length`."""
    starts = rng.random(n + length - 1) < 1 - (1 - rate) ** (1 / length)
    begun = np.concatenate([[0], starts.cumsum()])
    late: Bools = begun[length:] > begun[:-length]
    return late


def autoregressive(rng: np.random.Generator, n: int, rate: float, phi: float = 0.9) -> Bools:
    """Return n lateness indicators: a stationary Gaussian AR(1) above its 1 - rate quantile."""
    shocks = rng.normal(size=n) * math.sqrt(1 - phi**2)
    shocks[0] = rng.normal()
    late: Bools = signal.lfilter([1.0], [1.0, -phi], shocks) > stats.norm.isf(rate)
    return late


INDEPENDENT = World("independent", 0, bursts)
CLUSTERED = (
    *(World(f"bursts of {b}", b - 1, partial(bursts, length=b)) for b in (2, 4, 8, 20)),
    World("AR(1) 0.9", 20, autoregressive),
)
