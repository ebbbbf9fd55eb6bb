"""How mean times to a proof of two strategies stand to each other, in the median over worlds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.runs import Run
from bench.worlds.behaviour import Floats

DRAWS = 2000


@dataclass(frozen=True, slots=True)
class Ratio:
    """A ratio in the median over so many worlds, with its 95 % interval."""

    value: float
    low: float
    high: float
    worlds: int

    def __str__(self) -> str:
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}] in {self.worlds} worlds"


def ratio(runs: Sequence[Run], strategy: str, reference: str) -> Ratio | None:
    """Return how one strategy stands to another where there are runs of both, None if nowhere.

    The interval comes from drawing the runs of each strategy in each world anew.
    """
    both = (
        _times(runs, world, (strategy, reference)) for world in dict.fromkeys(r.world for r in runs)
    )
    found = [times for times in both if all(map(len, times))]
    if not found:
        return None
    rng = np.random.default_rng(1)
    drawn = [_drawn(mine, rng) / _drawn(other, rng) for mine, other in found]
    low, high = np.quantile(np.median(drawn, axis=0), (0.025, 0.975))
    value = np.median([np.mean(mine) / np.mean(other) for mine, other in found])
    return Ratio(float(value), float(low), float(high), len(found))


def _times(runs: Sequence[Run], world: str, strategies: Sequence[str]) -> list[list[float]]:
    mine = [r for r in runs if r.world == world]
    return [[r.penalised_s for r in mine if r.strategy == s] for s in strategies]


def _drawn(times: Sequence[float], rng: np.random.Generator) -> Floats:
    """Return means of times that were drawn anew."""
    means: Floats = rng.choice(np.array(times), (DRAWS, len(times))).mean(axis=1)
    return means
