"""What is asked of a way: wrong years where nothing is better, nights until a better one serves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from zlib import crc32

import numpy as np

from bench.nights.ways import WAYS, Ledger, Night, nights
from bench.nights.worlds import (
    Draw,
    Rng,
    World,
    at_the_floor,
    at_the_margin,
    at_the_target,
    at_two_edges,
    longer,
    spread,
    unchanged,
    updated,
    with_better,
)

NIGHTS = 365

NIGHT, SOON = 300, 3
"""When the better one is first met, and within how many nights it should serve."""

WATCHED = 60
"""Nights that are watched after a shift, or after the better one was met."""


@dataclass(frozen=True, slots=True)
class Years:
    """Years in which nothing better came: in how many a promotion was wrong, or harmful.

    `promotions` are all that were made.
    """

    world: str
    way: str
    years: int
    wrong: int
    harmful: int
    promotions: int


@dataclass(frozen=True, slots=True)
class Found:
    """After how many nights the better one served in each run, None for not within WATCHED.

    `wrong` counts the runs with a wrong promotion in these nights, `harmful` those with one that
    was worse in something.
    """

    world: str
    way: str
    nights: tuple[int | None, ...]
    wrong: int
    harmful: int

    @property
    def soon(self) -> int:
        """Return in how many runs it served within SOON nights."""
        return sum(n is not None and n <= SOON for n in self.nights)

    def quantile(self, share: float) -> float:
        """Return within how many nights it served in a share of the runs; inf for not at all."""
        told = [np.inf if n is None else n for n in self.nights]
        return float(np.quantile(told, share, method="inverted_cdf"))


MIXED = "all kinds, nights 1 % apart"
AT_NIGHT = f"20 % better, met at night {NIGHT}"


YEARS: dict[str, Draw] = {
    MIXED: unchanged,
    "all kinds, one start a night, alike": spread(unchanged, 0.0),
    "all kinds, one start a night, 3 % apart": spread(unchanged, 0.03),
    "all kinds, one start a pair, 3 % apart": spread(unchanged, 0.0, 0.03),
    "all exactly at the noise floor, nights 1 % apart": at_the_floor,
    "all exactly at the noise floor, nights alike": spread(at_the_floor, 0.0),
    "the same, and what serves just meets its target": spread(at_two_edges, 0.0),
    "all 20 % faster, exactly at the target": at_the_target,
    "all 20 % faster, exactly at the margin of answers": at_the_margin,
}
"""Worlds without a better one; all ways are tried in the first, `kept` in the others."""

MET: dict[str, Draw] = {
    AT_NIGHT: unchanged,
    f"{AT_NIGHT}, one start a pair, 3 % apart": spread(unchanged, 0.0, 0.03),
}

SHIFTS: dict[str, Draw] = {"engine update": updated, "longer prompts": longer}


def years(name: str, way: str, count: int, seed: int) -> Years:
    """Return what years of nights came to, each in a world of its own."""
    rng, told = _draws(seed, name, way), list[list[Night]]()
    for _ in range(count):
        told.append(list(islice(nights(YEARS[name](rng), WAYS[way], Ledger(), rng), NIGHTS)))
    promotions = sum(night.promoted is not None for year in told for night in year)
    return Years(name, way, count, *_amiss(told), promotions)


def met_late(name: str, way: str, runs: int, seed: int) -> Found:
    """Return how soon one serves that is better than all, met at NIGHT of a year."""
    rng, told, soon = _draws(seed, name, way), list[list[Night]](), list[int | None]()
    for _ in range(runs):
        world, ledger = MET[name](rng), Ledger()
        list(islice(nights(world, WAYS[way], ledger, rng), NIGHT - 1))
        world = with_better(world)
        after = nights(world, WAYS[way], ledger, rng, world.better)
        told.append(list(islice(after, WATCHED)))
        soon.append(_until(world, told[-1]))
    return Found(name, way, tuple(soon), *_amiss(told))


def after_shift(name: str, way: str, runs: int, seed: int) -> Found:
    """Return how soon the better one serves in a new world, which has a ledger of its own."""
    rng, told, soon = _draws(seed, name, way), list[list[Night]](), list[int | None]()
    for _ in range(runs):
        world = SHIFTS[name](rng)
        told.append(list(islice(nights(world, WAYS[way], Ledger(), rng), WATCHED)))
        soon.append(_until(world, told[-1]))
    return Found(name, way, tuple(soon), *_amiss(told))


def _until(world: World, told: Sequence[Night]) -> int | None:
    return next((n for n, t in enumerate(told, 1) if t.promoted == world.better), None)


def _amiss(told: Sequence[Sequence[Night]]) -> tuple[int, int]:
    """Return in how many runs something wrong was promoted, and something harmful."""
    wrong = sum(any(night.wrong for night in run) for run in told)
    return wrong, sum(any(night.harmful for night in run) for run in told)


def _draws(seed: int, *names: str) -> Rng:
    return np.random.default_rng([seed, *(crc32(name.encode()) for name in names)])
