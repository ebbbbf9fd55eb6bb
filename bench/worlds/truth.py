"""The truth about a simulated world: exact late rates, exact p99s, shares of good answers."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import numpy.typing as npt
from scipy import special

from bench.worlds.behaviour import Answer, Behaviour, Floats, chosen, limit
from bench.worlds.world import World
from tuner.spec.space import Choices, Dimension
from tuner.spec.values import Candidate, Setting

CONTINUOUS_POINTS = 21
"""Points of a continuous range in the grid over which the best is sought."""


class Truth:
    """The exact distribution of latencies under some candidates, as a mixture of lognormals.

    Arrays of shape (candidates, components); a request that kills the engine is late. It is
    the one of the held-out templates over all engine starts and all times of the machine.
    """

    def __init__(self, world: World, candidates: Sequence[Candidate]) -> None:
        self._world = world
        found = [asked(world, world.behaves(c)) for c in candidates]
        limits = [limit(c) for c in candidates]
        most = max(len(b.answers) for b in found)
        parts = [_parts(b, cut, most) for b, cut in zip(found, limits, strict=True)]
        self._median, self._added, self._weight = (np.array(p) for p in zip(*parts, strict=True))
        drift = math.hypot(world.pace.sd if world.pace else 0.0, world.start_sd)
        self._spread = np.hypot(np.array([b.sigma for b in found]), drift)[:, None]
        self.crashes = np.array([not b.starts or b.death > 0 for b in found])
        good = [_good(b, cut) for b, cut in zip(found, limits, strict=True)]
        self.valid, self.correct = np.array(good).T

    def late(self, seconds: npt.ArrayLike, paces: npt.ArrayLike = 1.0) -> Floats:
        """Return the share of requests that take longer; `seconds` one or one per candidate.

        So too for `paces`, which are one for each of many machines if there is one candidate.
        """
        left = np.reshape(np.asarray(seconds, dtype=np.float64), (-1, 1)) - self._added
        median = self._median * np.reshape(np.asarray(paces, dtype=np.float64), (-1, 1))
        distance = np.log(np.maximum(left, 1e-12) / median) / self._spread
        shares: Floats = (self._weight * special.ndtr(-distance)).sum(axis=1)
        return shares

    def mean_s(self) -> Floats:
        """Return the mean latency in seconds."""
        means = self._median * np.exp(self._spread**2 / 2) + self._added
        found: Floats = (self._weight * means).sum(axis=1)
        return found

    def quantile(self, q: float) -> Floats:
        """Return a quantile of the latencies in seconds, by bisection of its logarithm."""
        low = np.full(self._median.shape[0], math.log(1e-4))
        high = np.full_like(low, math.log(1e3))
        for _ in range(50):
            middle = (low + high) / 2
            late = self.late(np.exp(middle)) > 1 - q
            low, high = np.where(late, middle, low), np.where(late, high, middle)
        found: Floats = np.exp(high)
        return found

    def acceptable(self) -> npt.NDArray[np.bool_]:
        """Tell which candidates start, survive and keep the guard's floors."""
        guard = self._world.guard
        kept: npt.NDArray[np.bool_] = (
            ~self.crashes
            & (self.valid >= (guard.min_valid or 0.0) - 1e-9)
            & (self.correct >= (guard.min_correct or 0.0) - 1e-9)
            & (self.correct >= least_correct(self._world) - 1e-9)
        )
        return kept


def asked(world: World, behaviour: Behaviour) -> Behaviour:
    """Return a behaviour with the shares that its kinds have of what the held-out half asks."""
    if not world.own_kind:
        return behaviour
    own = own_shares(tuple(a.share for a in behaviour.answers), world.templates // 2)
    return replace(behaviour, answers=tuple(
        replace(a, share=world.own_kind * mine + (1 - world.own_kind) * a.share)
        for a, mine in zip(behaviour.answers, own, strict=True)
    ))  # fmt: skip


@cache
def own_shares(shares: tuple[float, ...], templates: int) -> tuple[float, ...]:
    """Return the shares of kinds among templates that are spread evenly over them."""
    kinds = tuple(Answer(share, 0.0, 0.0, n) for n, share in enumerate(shares))
    found = [chosen(kinds, (i + 0.5) / templates).tokens for i in range(templates)]
    return tuple(found.count(n) / templates for n in range(len(shares)))


@cache
def least_correct(world: World) -> float:
    """Return the share of right answers that the guard's `max_drop` asks for, 0 without one."""
    if world.guard.max_drop is None:
        return 0.0
    return float(Truth(world, [world.baseline]).correct[0]) - world.guard.max_drop


def _parts(
    behaviour: Behaviour, limit: int, most: int
) -> tuple[list[float], list[float], list[float]]:
    """Return (median, what a stall adds, weight) of each component, padded with weight 0."""
    median, added, weight = [], [], []
    share, stall = behaviour.stall
    for answer in behaviour.answers:
        median += [answer.seconds(limit)] * 2
        added += [0.0, stall]
        weight += [answer.share * (1 - share), answer.share * share]
    missing = 2 * (most - len(behaviour.answers))
    return median + [1.0] * missing, added + [0.0] * missing, weight + [0.0] * missing


def _good(behaviour: Behaviour, limit: int) -> tuple[float, float]:
    pairs = [(a.share, *a.good(limit)) for a in behaviour.answers]
    return sum(s * v for s, v, _ in pairs), sum(s * c for s, _, c in pairs)


def true_p99(world: World, candidate: Candidate) -> float:
    """Return the p99 of the end-to-end latency in seconds."""
    return float(Truth(world, [candidate]).quantile(0.99)[0])


def true_late_rate(world: World, candidate: Candidate) -> float:
    """Return the share of requests that miss the target."""
    return float(Truth(world, [candidate]).late(world.target_s)[0])


def feasible(world: World, candidate: Candidate) -> bool:
    """Tell whether a candidate starts, survives, and meets target and floors in truth."""
    truth = Truth(world, [candidate])
    late = truth.late(world.target_s)[0]
    return bool(truth.acceptable()[0] and late < 0.01)


def late_where_sent(world: World, candidate: Candidate, paces: Floats) -> float:
    """Return the mean chance of being late of requests that met these paces."""
    steady = replace(world, pace=None, start_sd=0.0)
    return float(Truth(steady, [candidate]).late(world.target_s, paces).mean())


def aimed(world: World, share: float) -> World:
    """Return the world with the target at which that share of its space is feasible."""
    truth = Truth(world, list(grid(world)))
    p99 = np.where(truth.acceptable(), truth.quantile(0.99), math.inf)
    at = float(np.sort(p99)[math.ceil(share * p99.size)])
    return replace(world, target_s=round(at, 3))


def grid(world: World) -> Iterator[dict[str, Setting]]:
    """Yield every candidate of the space, whole."""
    rest = {name: knob.default for name, knob in world.knobs.items()} | dict(world.baseline)
    names = list(world.space)
    for values in itertools.product(*(values_of(d) for d in world.space.values())):
        yield rest | dict(zip(names, values, strict=True))


def values_of(dimension: Dimension, points: int = CONTINUOUS_POINTS) -> tuple[Setting, ...]:
    """Return the values of a dimension, so many of a continuous range."""
    if isinstance(dimension, Choices):
        return dimension.values
    if dimension.step is not None:
        steps = range(len(dimension))
        return tuple(dimension.nearest(dimension.low + i * dimension.step) for i in steps)
    spaced = np.geomspace if dimension.log else np.linspace
    found = (dimension.nearest(v) for v in spaced(dimension.low, dimension.high, points))
    return tuple(dict.fromkeys(found))
