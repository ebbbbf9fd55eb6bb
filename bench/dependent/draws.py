"""Worlds whose requests hang together by template or by engine start.

Drawn with numpy and the standard library alone, so that nothing here can share an error with
`tuner.stats`. A request is late when it takes longer than TARGET_S. `stalls` has the worlds of
requests that are in flight together.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

TARGET_S = 1.0

WITHIN = 0.08
"""How latencies of one engine start vary: standard deviation of their logarithm."""

_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class Drawn:
    """What a server did with some requests, in the order of sending (in open loop: of the plan).

    `chance` is how likely each was to be late, given its engine start and what share of the
    traffic is late, but before one knows which template it is.
    """

    sent_s: Floats
    latency_s: Floats
    chance: Floats
    template: Ints
    right: Bools

    @property
    def late(self) -> Bools:
        """Tell which requests were late."""
        found: Bools = self.latency_s > TARGET_S
        return found


Block = Callable[[int], Drawn]
"""Returns the next so many requests, on a fresh engine start."""

World = Callable[[np.random.Generator], Block]
"""Begins a run: what differs from run to run is drawn from the generator."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """Templates as they are asked: `order` tells which comes when, over the whole run.

    `kinds` and `weights` tell of each template; those of one kind weigh the same.
    """

    order: Ints
    kinds: Ints
    weights: Floats

    def share(self, of: Floats) -> float:
        """Return what share of the traffic something is, told for each template."""
        return float(np.average(of, weights=self.weights))


def independent(late: float) -> World:
    """Return a world of independent requests, one at a time, all answers right."""

    def begin(rng: np.random.Generator) -> Block:
        return lambda n: one_by_one(latencies(rng, rng.random(n) < late), np.full(n, late))

    return begin


def bursts(late: float, length: int) -> World:
    """Return a world of requests one at a time that are late in bursts of so many, or more."""
    begins = 1 - (1 - late) ** (1 / length)

    def begin(rng: np.random.Generator) -> Block:
        def block(n: int) -> Drawn:
            begun = np.concatenate([[0], (rng.random(n + length - 1) < begins).cumsum()])
            return one_by_one(latencies(rng, begun[length:] > begun[:-length]), np.full(n, late))

        return block

    return begin


def turning(base: World, timely: int, late: float) -> World:
    """Return a world with the answers of another: never late for so many requests, then `late`."""

    def begin(rng: np.random.Generator) -> Block:
        answers, numbers = base(rng), itertools.count()

        def block(n: int) -> Drawn:
            drew = answers(n)
            first = np.fromiter(itertools.islice(numbers, n), np.int64, n) < timely
            chance = np.where(first, 0.0, late)
            latency = latencies(rng, rng.random(n) < chance)
            return one_by_one(latency, chance, drew.template, drew.right)

        return block

    return begin


def templates(traffic: Traffic, late: Floats, right: Floats) -> World:
    """Return a world in which each template has its own chance of being late, and of being right.

    For each run the chances are dealt anew among the templates of one kind.
    """

    def begin(rng: np.random.Generator) -> Block:
        dealt, coming = _dealt(rng, traffic.kinds), iter(traffic.order.tolist())
        share = traffic.share(late)

        def block(n: int) -> Drawn:
            asked = np.fromiter(itertools.islice(coming, n), np.int64)
            is_late, is_right = (rng.random(asked.size) < p[dealt[asked]] for p in (late, right))
            chance = np.full(asked.size, share)
            return one_by_one(latencies(rng, is_late), chance, template=asked, right=is_right)

        return block

    return begin


def sampled_templates(traffic: Traffic, late: float) -> World:
    """Return a world whose templates are a sample: each is always late, by this chance.

    `Drawn.chance` is the share over all templates like them.
    """

    def begin(rng: np.random.Generator) -> Block:
        always = (rng.random(traffic.kinds.size) < late).astype(np.float64)
        these = templates(traffic, always, np.ones_like(always))(rng)
        return lambda n: replace(drew := these(n), chance=np.full(drew.late.size, late))

    return begin


def starts(late: float, apart: float, own: int | None = None) -> World:
    """Return a world whose engine starts differ in pace: `apart` is the s.d. of its logarithm.

    `late` is the share late over all starts that may come. With `own` it is the share over that
    many starts, which come in turn again and again.
    """

    def begin(rng: np.random.Generator) -> Block:
        paces = rng.normal(0.0, apart, own or 1000)
        edge = _edge(paces, late) if own else _NORMAL.inv_cdf(1 - late) * np.hypot(WITHIN, apart)
        coming = itertools.cycle(paces.tolist())

        def block(n: int) -> Drawn:
            pace = next(coming)
            latency = TARGET_S * np.exp(rng.normal(pace - edge, WITHIN, n))
            return one_by_one(latency, np.full(n, _over(edge - pace)))

        return block

    return begin


def joined(one: World, other: World) -> World:
    """Return a world in which a request is late where it is in one of two, as asked in the other.

    One request is in flight.
    """

    def begin(rng: np.random.Generator) -> Block:
        blocks = one(rng), other(rng)

        def block(n: int) -> Drawn:
            a, b = (block(n) for block in blocks)
            latency = np.maximum(a.latency_s, b.latency_s)
            chance = 1 - (1 - a.chance) * (1 - b.chance)
            return one_by_one(latency, chance, b.template, b.right)

        return block

    return begin


def latencies(rng: np.random.Generator, late: Bools) -> Floats:
    """Return seconds: evenly from 0.2 to the target in time, up to twice the target late."""
    even = rng.random(late.size)
    found: Floats = np.where(late, 2 - even, 0.2 + 0.8 * even) * TARGET_S
    return found


def true_quantile(late: float, q: float) -> float:
    """Return the q-quantile of `latencies`, a share `late` of them late."""
    timely = 1 - late
    found = 0.2 + 0.8 * q / timely if q <= timely else 1 + (q - timely) / late
    return found * TARGET_S


def one_by_one(
    latency_s: Floats, chance: Floats, template: Ints | None = None, right: Bools | None = None
) -> Drawn:
    """Return requests each of which is sent when the one before it has ended.

    Without templates each is one of its own, -1; without answers all are right.
    """
    n = latency_s.size
    template = np.full(n, -1) if template is None else template
    right = np.ones(n, np.bool_) if right is None else right
    return Drawn(latency_s.cumsum() - latency_s, latency_s, chance, template, right)


def _dealt(rng: np.random.Generator, kinds: Ints) -> Ints:
    """Return a permutation that keeps every kind to itself."""
    places = np.arange(kinds.size)
    for kind in np.unique(kinds):
        places[kinds == kind] = rng.permutation(places[kinds == kind])
    return places


def _edge(paces: Floats, late: float) -> float:
    """Return the log latency that a share `late` exceeds over starts of these paces."""
    low, high = float(paces.min()) - 1, float(paces.max()) + 1
    for _ in range(60):
        middle = (low + high) / 2
        over = sum(_over(middle - pace) for pace in paces.tolist()) / paces.size
        low, high = (middle, high) if over > late else (low, middle)
    return low


def _over(gap: float) -> float:
    """Return how likely a latency of one start lies that far above its pace."""
    return 1 - _NORMAL.cdf(gap / WITHIN)
