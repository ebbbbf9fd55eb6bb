"""Worlds with a known truth, for the simulations of the statistics."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from scipy import optimize


@pytest.fixture
def rng() -> np.random.Generator:
    """Return a seeded generator of the test's own, so that test order changes nothing."""
    return np.random.default_rng(20260)


class Worlds:
    """Late requests with an exact late rate."""

    @staticmethod
    def bursts(
        rng: np.random.Generator, n: int, rate: float, length: int = 1
    ) -> npt.NDArray[np.bool_]:
        """Return n indicators, late at `rate` in bursts: (length - 1)-dependent."""
        starts = rng.random(n + length - 1) < 1 - (1 - rate) ** (1 / length)
        begun = np.concatenate([[0], starts.cumsum()])
        return begun[length:] > begun[:-length]

    @staticmethod
    def pairs(rng: np.random.Generator, n: int, rate: float, m: int) -> npt.NDArray[np.bool_]:
        """Return n indicators, late at `rate` in pairs of requests m apart: m-dependent."""
        starts = rng.random(n + m) < 1 - np.sqrt(1 - rate)
        return starts[m:] | starts[:n]

    @staticmethod
    def apart(rng: np.random.Generator, n: int, rate: float, m: int) -> npt.NDArray[np.bool_]:
        """Return n indicators, late at `rate`, never two within m: m-dependent."""
        # A request is late where it starts and the m before it did not: s (1 - s)^m = rate.
        start = optimize.brentq(lambda s: s * (1 - s) ** m - rate, 0, 1 / (m + 1))
        starts = rng.random(n + m) < start
        begun = np.concatenate([[0], starts.cumsum()])
        return starts[m:] & (begun[m : m + n] == begun[:n])

    @staticmethod
    def blocks(
        rng: np.random.Generator, count: int, size: int, between: float, slower: float = 1.0
    ) -> list[npt.NDArray[np.float64]]:
        """Return blocks of log-normal latencies whose levels differ by `between`."""
        levels = rng.normal(0, between, count)
        return [slower * np.exp(level + rng.normal(0, 0.2, size)) for level in levels]


@pytest.fixture
def worlds() -> type[Worlds]:
    """Return the makers of simulated data."""
    return Worlds
