"""Candidates worth a look: near the best trials, hinted at by them, or from anywhere."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from tuner.search.trial import Trial
from tuner.spec.space import Dimension, Space, value_at
from tuner.spec.values import Candidate, Setting, changes

MOVE = 0.25
"""Chance that a mutant moves a knob."""

HINT = 0.5
"""Chance that a mutant takes a hint."""

MUTANTS = 20
"""How many are made at a time."""

Hints: TypeAlias = Callable[[Trial, str, Dimension], Sequence[Setting]]
"""(trial, knob, its dimension) -> values that the trial's samples suggest."""


@dataclass(frozen=True, slots=True)
class Moves:
    """Makes candidates; knobs that are not in the space keep the value of `base`."""

    space: Space
    base: Candidate
    hints: Hints
    rng: np.random.Generator

    def informed(self, trial: Trial) -> Iterator[dict[str, Setting]]:
        """Yield a trial's candidate with the first hint for each knob that has one.

        What the server's own numbers propose are alternatives: each is a candidate of its own.
        """
        found = {name: hints[0] for name, hints in self._hints_for(trial).items()}
        apart = [m.knob for m in trial.moves if m.knob in found]
        together = {name: value for name, value in found.items() if name not in apart}
        if together:
            yield {**trial.candidate, **together}
        for name in apart:
            yield {**trial.candidate, name: found[name]}

    def neighbours(
        self, best: Sequence[Trial], tried: Iterable[str] = ()
    ) -> Iterator[dict[str, Setting]]:
        """Yield candidates one knob away from the best, knobs moved least often so far first."""
        before = [json.loads(text) for text in tried]
        for origin in (t.candidate for t in best):
            moved = {name: sum(c[name] != origin[name] for c in before) for name in self.space}
            near = neighbours(origin, self.space, self.base)
            yield from sorted(near, key=lambda c: moved[changes(c, origin)[0]])

    def mutants(self, best: Sequence[Trial]) -> Iterator[dict[str, Setting]]:
        """Yield candidates in which several knobs of one of the best are moved at once."""
        for _ in range(MUTANTS):
            trial = best[int(self.rng.integers(len(best)))]
            hints, mutant = self._hints_for(trial), dict(trial.candidate)
            for name, dimension in self.space.items():
                values = hints.get(name, ())
                if values and self.rng.random() < HINT:
                    mutant[name] = self._pick(values)
                elif self.rng.random() < MOVE and (near := dimension.neighbours(mutant[name])):
                    mutant[name] = self._pick(near)
            yield mutant

    def anywhere(self, count: int) -> Iterator[dict[str, Setting]]:
        """Yield candidates drawn evenly from the space."""
        for shares in self.rng.random((count, len(self.space))):
            drawn = zip(self.space.items(), shares, strict=True)
            yield {**self.base, **{name: value_at(d, share) for (name, d), share in drawn}}

    def _pick(self, values: Sequence[Setting]) -> Setting:
        return values[int(self.rng.integers(len(values)))]

    def _hints_for(self, trial: Trial) -> dict[str, Sequence[Setting]]:
        found = {n: self.hints(trial, n, dimension) for n, dimension in self.space.items()}
        return {name: values for name, values in found.items() if values}


def neighbours(candidate: Candidate, space: Space, base: Candidate) -> Iterator[dict[str, Setting]]:
    """Yield candidates that differ in one knob: by a step, or by taking the baseline's value."""
    for name, dimension in space.items():
        values = dimension.neighbours(candidate[name])
        for value in dict.fromkeys((*values, base[name])):
            if value != candidate[name]:
                yield {**candidate, name: value}
