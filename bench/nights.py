"""Years of nights in virtual time: how often is something wrong promoted, how soon a better one.

    python -m bench.nights [--years 400] [--runs 200] [--seed 0]

A night's search brings the candidate that looks best, noise included; it then meets what serves in
pairs of blocks, with the product's own evidence (`evaluate.duel`) and error (`stats.spending`).
`kept` goes on with a challenger's evidence from night to night. `nothing kept` begins anew each
night, with the year's error spread evenly over the nights. `point estimates` promotes what looked
better in its night, as tools without a test do.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from scipy import stats

from tuner.evaluate.duel import FLOOR, Evidence
from tuner.spec.values import Verdict
from tuner.stats.eprocess import pass_bets, wealth
from tuner.stats.paired import judge_noninferior
from tuner.stats.spending import YEAR, error_of

NIGHTS = 365

QUANTILE, LATE = 0.99, 0.002
"""The target, and the true late rate of every candidate."""

PAIRS, REQUESTS = 20, 100
"""Pairs of blocks in a night, and requests of a block."""

MARGIN, DISCORDANT, TEMPLATES = 0.05, 0.02, 1200
"""What may be lost of correct answers, how often two sides differ in one, and how many count."""

BLOCK_SD, NIGHT_SD, LOOK_SD = 0.05, 0.01, 0.04
"""Spreads of the log ratio of a pair, of a night's pairs together, and of a look in the search."""

LOOKED_AT = 30
"""Candidates that a night's search measures."""

KNOWN = 200
"""Candidates of the world; the true log ratio of most is above 0, of some exactly 0."""


@dataclass(slots=True)
class World:
    """Candidates by their true log ratio to what served at first; `serves` is in service."""

    ratios: list[float]
    serves: float = 0.0

    def gain(self, candidate: int) -> float:
        """Return the true log ratio of a candidate to what serves now; below 0 it is faster."""
        return self.ratios[candidate] - self.serves


@dataclass(slots=True)
class Known:
    """What is known of a challenger: its number in the year, and what its nights showed."""

    number: int
    won: int = 0
    lost: int = 0
    requests: int = 0
    late: int = 0
    differences: list[int] = field(default_factory=list)
    ratios: list[float] = field(default_factory=list)

    def meet(self, world: World, candidate: int, rng: np.random.Generator) -> None:
        """Add a night beside what serves."""
        centre = world.gain(candidate) + NIGHT_SD * rng.standard_normal()
        found = centre + BLOCK_SD * rng.standard_normal(PAIRS)
        won = int(np.sum(found < math.log1p(-FLOOR)))
        self.won, self.lost = self.won + won, self.lost + PAIRS - won
        self.requests += PAIRS * REQUESTS
        self.late += int(rng.binomial(PAIRS * REQUESTS, LATE))
        half = DISCORDANT / 2
        drawn = rng.choice((-1, 0, 1), PAIRS * REQUESTS, p=(half, 1 - DISCORDANT, half))
        self.differences = [*self.differences, *drawn.tolist()][:TEMPLATES]
        self.ratios += found.tolist()

    def evidence(self, alpha: float) -> Evidence:
        """Return it as the product judges it; the anchor is what serves."""
        e = float(wealth(self.late, self.requests, pass_bets(QUANTILE)))
        meets: Verdict = "PASS" if e >= 1 / alpha else "UNDECIDED"
        answers = np.array(self.differences)
        worse = judge_noninferior(
            np.maximum(answers, 0), np.maximum(-answers, 0), MARGIN, alpha
        )  # fmt: skip
        return Evidence(self.won, self.lost, meets, {"incumbent": worse})


@dataclass(slots=True)
class Year:
    """The ledger of a year: challengers that are open, and those that are done with."""

    open: dict[int, Known] = field(default_factory=dict)
    closed: set[int] = field(default_factory=set)
    met: int = 0


Tonight = Callable[[World, Year, int | None, np.random.Generator], int | None]
"""A way to decide: (world, ledger, what looks best, draws) -> who is promoted, None for nobody."""


def kept(world: World, year: Year, looks: int | None, rng: np.random.Generator) -> int | None:
    """Go on with the challenger of the most evidence, else with what looks best."""
    going = {c: k for c, k in year.open.items() if Evidence(k.won, k.lost).promising}
    candidate = max(going, key=lambda c: Evidence(going[c].won, going[c].lost).e, default=looks)
    if candidate is None:
        return None
    if candidate not in year.open:
        year.met += 1
        year.open[candidate] = Known(year.met)
    known = year.open[candidate]
    known.meet(world, candidate, rng)
    alpha = error_of(known.number)
    outcome = known.evidence(alpha).outcome(alpha) if alpha else "no better"
    if outcome == "no better":
        del year.open[candidate]
        year.closed.add(candidate)
    return candidate if outcome == "better" else None


def nothing_kept(
    world: World, year: Year, looks: int | None, rng: np.random.Generator
) -> int | None:
    """Begin anew each night, with a share of the year's error that is the same for each."""
    if looks is None:
        return None
    known = Known(1)
    known.meet(world, looks, rng)
    alpha = YEAR / NIGHTS
    return looks if known.evidence(alpha).outcome(alpha) == "better" else None


def point_estimates(
    world: World, year: Year, looks: int | None, rng: np.random.Generator
) -> int | None:
    """Promote what was better in its night, and late in fewer than 1 % of its requests."""
    if looks is None:
        return None
    known = Known(1)
    known.meet(world, looks, rng)
    better = float(np.mean(known.ratios)) < math.log1p(-FLOOR)
    return looks if better and known.late < (1 - QUANTILE) * known.requests else None


WAYS: dict[str, Tonight] = {
    "kept": kept, "nothing kept": nothing_kept, "point estimates": point_estimates,
}  # fmt: skip


def unchanged(rng: np.random.Generator) -> World:
    """Return a world in which nothing is better than what serves; every tenth is as good."""
    worse = np.abs(rng.normal(0.02, 0.06, KNOWN))
    worse[::10] = 0.0
    return World(worse.tolist())


def looks_best(world: World, year: Year, rng: np.random.Generator, also: int | None) -> int | None:
    """Return the candidate that looks best in a night's search, None where none looks better."""
    among = rng.choice(len(world.ratios), LOOKED_AT, replace=False).tolist()
    among += [] if also is None else [also]
    seen = {c: world.gain(c) + LOOK_SD * rng.standard_normal() for c in set(among) - year.closed}
    best = min(seen, key=seen.__getitem__, default=None)
    return best if best is not None and seen[best] < math.log1p(-FLOOR) else None


def nights(
    world: World, way: Tonight, count: int, rng: np.random.Generator, also: int | None = None
) -> Iterator[int | None]:
    """Yield who is promoted in each night, None for nobody; one ledger for all of them."""
    year = Year()
    for _ in range(count):
        chosen = way(world, year, looks_best(world, year, rng, also), rng)
        yield chosen
        if chosen is not None:
            world.serves = world.ratios[chosen]
            year.open.clear()
            year.closed.clear()


def wrong_years(way: Tonight, years: int, rng: np.random.Generator) -> int:
    """Return in how many years something was promoted, where nothing is better."""
    return sum(
        any(c is not None for c in nights(unchanged(rng), way, NIGHTS, rng)) for _ in range(years)
    )


def until_found(way: Tonight, night: int, rng: np.random.Generator) -> float:
    """Return after how many nights one that is 20 % better serves, first met at a night; or inf."""
    world, year = unchanged(rng), Year()
    for _ in range(night - 1):
        way(world, year, looks_best(world, year, rng, None), rng)
    world.ratios.append(math.log(0.8))
    new = len(world.ratios) - 1
    for after in range(1, NIGHTS - night + 2):
        if way(world, year, looks_best(world, year, rng, new), rng) == new:
            return after
    return math.inf


def main() -> None:
    """Simulate, and print a table."""
    parser = argparse.ArgumentParser("python -m bench.nights", description="Years of nights.")
    parser.add_argument("--years", type=int, default=400)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    print("| way | years with a wrong promotion | in service within 3 nights | median nights |")
    print("|---|---|---|---|")
    for name, way in WAYS.items():
        rng = np.random.default_rng(given.seed)
        wrong = wrong_years(way, given.years, rng)
        low, high = stats.binomtest(wrong, given.years).proportion_ci()
        found = [until_found(way, 300, rng) for _ in range(given.runs)]
        soon = np.mean([n <= 3 for n in found])
        print(
            f"| {name} | {wrong} of {given.years} [{low:.1%}, {high:.1%}] | {soon:.0%} of "
            f"{given.runs} | {np.median(found):g} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
