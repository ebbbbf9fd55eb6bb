"""Strategies that are a stream of candidates: grid, coordinate search, successive halving."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from bench.worlds.truth import values_of
from tuner.search.propose import Proposal
from tuner.search.trial import WORST_VIOLATION, Origin, Trial
from tuner.spec.space import Dimension, size
from tuner.spec.study import Study
from tuner.spec.values import Candidate, Setting

MANY = 10**6
"""Points of a grid whose order is not shuffled any more: no run comes that far."""

RETRIES = 20
"""Draws after which a repetition is measured again instead of being drawn anew."""


MOST_OF_A_GROUP = 12
"""Points of a group of knobs that are tried before the next group has its turn."""

FLAGS = ("max_num_seqs", "max_num_batched_tokens", "enable_prefix_caching", "num_batch")
"""Knobs of the server in the worlds; all others are carried by requests."""


def key(candidate: Candidate) -> str:
    """Return what tells one candidate from another."""
    return json.dumps(dict(candidate), sort_keys=True)


def score(trial: Trial) -> tuple[bool, float, float]:
    """Return a sort key, better trials first; what crashed comes last."""
    broken = trial.total_violation if trial.violations else WORST_VIOLATION
    value = trial.value if math.isfinite(trial.value) else -math.inf
    return (not trial.feasible, broken, -value)


class Listed:
    """A strategy that is a stream of candidates; `stream` is written by those built on it.

    A stream may read `self.told`, the trials that have been measured so far. A stage that
    needs all its results yields None until it has them: the batch ends there.
    """

    def __init__(self, study: Study, base: Candidate) -> None:
        self.space, self.base = study.space, base
        self.rng = np.random.default_rng([study.seed, 99])
        self.told: list[Trial] = []
        self.tried: set[str] = set()
        self._count = 0
        self._stream = self.stream()

    def stream(self) -> Iterator[Candidate | None]:
        """Yield candidates in the order in which they are to be measured."""
        raise NotImplementedError

    def fixed(self, candidate: Candidate, origin: Origin) -> Proposal:
        """Return a given candidate as a proposal."""
        self._count += 1
        self.tried.add(key(candidate))
        return self._count - 1, candidate, origin

    def batch(self, size: int, trials: Sequence[Trial]) -> list[Proposal]:
        """Return the next candidates of the stream."""
        found: list[Proposal] = []
        for candidate in self._stream:
            if candidate is not None:
                found.append(self.fixed(candidate, "sampler"))
            if len(found) == size or (candidate is None and found):
                break
        return found

    def beside(self, candidate: Candidate, trials: Sequence[Trial], count: int) -> list[Proposal]:
        """Return none: it does not know what a start costs."""
        return []

    def tell(self, trial: Trial) -> None:
        """Remember a trial."""
        self.told.append(trial)

    def drop(self, knob: str) -> None:
        """Go on with all knobs: it is no part of what is compared."""

    def random(self) -> Candidate:
        """Return a candidate drawn evenly, if possible an untried one."""
        for _ in range(RETRIES):
            drawn = {n: self._one(d) for n, d in self.space.items()}
            candidate = {**self.base, **drawn}
            if key(candidate) not in self.tried:
                break
        return candidate

    def _one(self, dimension: Dimension) -> Setting:
        values = values_of(dimension)
        return values[int(self.rng.integers(len(values)))]


class Grid(Listed):
    """Factorial grid, its order shuffled by the seed: 3 evenly spaced values of each knob.

    When it is through, a finer one follows: 5, 9, then all values; none repeats a point.
    """

    def stream(self) -> Iterator[Candidate | None]:
        """Yield the points of each grid in random order."""
        for levels in (3, 5, 9, None):
            axes = [spaced(values_of(d), levels) for d in self.space.values()]
            total = math.prod(map(len, axes))
            order = self.rng.permutation(total) if total < MANY else range(total)
            for index in order:
                candidate = {**self.base, **self._point(axes, int(index))}
                if key(candidate) not in self.tried:
                    yield candidate

    def _point(self, axes: Sequence[Sequence[Setting]], index: int) -> dict[str, Setting]:
        point = {}
        for name, axis in zip(self.space, axes, strict=True):
            index, at = divmod(index, len(axis))
            point[name] = axis[at]
        return point


class Coordinate(Listed):
    """Coordinate search with a combination stage, as polyserve does it.

    Each knob in turn takes up to five evenly spaced values while the others stand at the
    incumbent, which moves at once when a value is better. Then the two best values of every
    knob are combined, in random order, as many as were tried before. Then it starts again,
    with all values, from the incumbent. Its confirmation is the tuner's.
    """

    def stream(self) -> Iterator[Candidate | None]:
        """Yield the stages one after the other."""
        for levels in itertools.chain((5,), itertools.repeat(None)):
            before = len(self.tried)
            liked: dict[str, list[Setting]] = {}
            for name, dimension in self.space.items():
                yield from self._along(name, spaced(values_of(dimension), levels))
                liked[name] = self._best_values(name)
            yield from self._combined(liked, len(self.tried) - before)
            if len(self.tried) == before:
                while len(self.tried) < size(self.space):
                    yield self.random()
                return

    def _incumbent(self) -> Candidate:
        inside = [t for t in self.told if t.samples]
        return min(inside, key=score).candidate if inside else self.base

    def _along(self, name: str, values: Sequence[Setting]) -> Iterator[Candidate | None]:
        incumbent = self._incumbent()
        for value in values:
            candidate = {**incumbent, name: value}
            if key(candidate) not in self.tried:
                yield candidate
        yield None

    def _best_values(self, name: str) -> list[Setting]:
        """Return the two best values of a knob, by the best trial that had them."""
        ranked = sorted((t for t in self.told if t.samples), key=score)
        return list(dict.fromkeys(t.candidate[name] for t in ranked))[:2]

    def _combined(
        self, liked: Mapping[str, Sequence[Setting]], most: int
    ) -> Iterator[Candidate | None]:
        points = list(itertools.product(*liked.values()))
        found = 0
        for index in self.rng.permutation(len(points)):
            candidate = {**self.base, **dict(zip(liked, points[int(index)], strict=True))}
            if key(candidate) not in self.tried and found < most:
                found += 1
                yield candidate
        yield None


class Staged(Listed):
    """One group of knobs after the other: the server's flags, then what requests carry.

    Within a group the points of a shuffled grid are tried while all others stand at the best so
    far, up to `MOST_OF_A_GROUP` of them; then the groups come again. The three best are measured
    longer and proven by the tuner.
    """

    def stream(self) -> Iterator[Candidate | None]:
        """Yield the groups one after the other."""
        groups = [names for names in self._groups() if names]
        while True:
            before = len(self.tried)
            for names in groups:
                yield from self._group(names)
            if len(self.tried) == before:
                while len(self.tried) < size(self.space):
                    yield self.random()
                return

    def _groups(self) -> list[list[str]]:
        flags = [name for name in self.space if name in FLAGS]
        return [flags, [name for name in self.space if name not in flags]]

    def _group(self, names: Sequence[str]) -> Iterator[Candidate | None]:
        inside = [t for t in self.told if t.samples]
        best = min(inside, key=score).candidate if inside else self.base
        points = list(itertools.product(*(spaced(values_of(self.space[n]), 3) for n in names)))
        found = 0
        for index in self.rng.permutation(len(points)):
            candidate = {**best, **dict(zip(names, points[int(index)], strict=True))}
            if key(candidate) not in self.tried and found < MOST_OF_A_GROUP:
                found += 1
                yield candidate
        yield None


class Halving(Listed):
    """Successive halving over random candidates, sixteen in the first round.

    A screening trial has one size, twenty requests, so a fidelity is how often a candidate
    has been measured: the better half of each round is measured again, and compared by the
    mean over its trials, until two are left; then a new bracket begins. The workflow sees
    each repetition as a trial of its own.
    """

    def stream(self) -> Iterator[Candidate | None]:
        """Yield bracket after bracket."""
        while True:
            left = [self.random() for _ in range(16)]
            while len(left) >= 2:
                yield from left
                yield None
                left = sorted(left, key=self._mean)[: len(left) // 2]

    def _mean(self, candidate: Candidate) -> tuple[bool, float, float]:
        scores = [score(t) for t in self.told if t.candidate == candidate]
        if not scores:
            return (True, WORST_VIOLATION, math.inf)
        _, violations, values = zip(*scores, strict=True)
        violation = float(np.mean(violations))
        return (violation > 0, violation, float(np.mean(values)))


def spaced(values: Sequence[Setting], levels: int | None) -> tuple[Setting, ...]:
    """Return so many evenly spaced values, first and last among them; all for None."""
    if levels is None or len(values) <= levels:
        return tuple(values)
    picks = np.linspace(0, len(values) - 1, levels).round().astype(int)
    return tuple(values[int(i)] for i in picks)
