"""A simulated world: how requests go under each candidate, and the truth that follows from it.

A world says for every candidate how its answers are distributed (`Behaviour`). From this one
description come both the engine that is tuned, in virtual time, and the truth that a tuning
run is judged by: the exact late rate, the exact p99, and the best feasible candidate.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from bench.worlds.behaviour import Behaviour, Floats, Met, Pace, draw, limit
from tuner.spec.knobs import Knob
from tuner.spec.requests.workload import Shot, Template, Workload
from tuner.spec.space import Space
from tuner.spec.study import Study
from tuner.spec.values import Candidate, Guard, Load, Message, Slo
from tuner.testing.resolving import ResolvingEngine
from tuner.testing.simulated import Answered, SimulatedEngine

Split = Literal["development", "held-out"]

_SAME_S = 1e-6
"""Stamps of one instant differ by less: they are kept in whole nanoseconds."""

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


@dataclass(frozen=True, slots=True)
class Starts:
    """What starts take where they are not all alike: `warm_s` where an earlier one compiled it.

    What a start compiles follows from the knobs in `compiled_by`.
    """

    cold_s: float
    warm_s: float
    compiled_by: frozenset[str]


class Untold:
    """An engine whose starts cost what they cost, and which does not tell that beforehand."""

    def __init__(self, engine: ResolvingEngine) -> None:
        self._engine = engine

    def __getattr__(self, name: str) -> Any:
        """Return what the engine has, but for what it tells before a start."""
        if name == "resolve":
            raise AttributeError(name)
        return getattr(self._engine, name)


@dataclass(frozen=True, slots=True, eq=False)
class World:
    """A world to tune in.

    `development` worlds may be looked at while a search is being built; `held-out` ones only
    judge it. Half of the `templates` are held out; with `slots` each makes many prompts. The
    kind of an answer is its template's own with a chance of `own_kind`, and drawn anew
    otherwise. Engine starts differ in pace by `start_sd` (of its logarithm). With a
    `concurrency` above one so many requests that follow each other stall together, or none. With
    `starts` an engine tells before a start what it costs.
    """

    name: str
    split: Split
    about: str
    knobs: Mapping[str, Knob]
    space: Space
    baseline: Candidate
    target_s: float
    behaves: Callable[[Candidate], Behaviour]
    budget_s: float = 600.0
    restart_s: float = 1.5
    reload_s: float = 0.5
    guard: Guard = field(default_factory=lambda: Guard(0.9, 0.5))
    pace: Pace | None = None
    systems: Mapping[str, str] = field(default_factory=dict)
    shots: int = 0
    templates: int = 240
    slots: bool = True
    own_kind: float = 0.0
    start_sd: float = 0.0
    concurrency: int = 1
    starts: Starts | None = None

    @property
    def slo(self) -> Slo:
        """Return the target."""
        return Slo("e2e", 0.99, self.target_s)

    def study(self, seed: int, *, stop_when_met: bool) -> Study:
        """Return the study of the world."""
        return Study(
            name=self.name, engine="simulated", model="simulated", workload=self._workload(),
            slos=(self.slo,), guard=self.guard, baseline=dict(self.baseline), space=self.space,
            budget_s=self.budget_s, seed=seed, objective="e2e_p99", file=f"{self.name}.yaml",
            stop_when_met=stop_when_met,
        )  # fmt: skip

    def _workload(self) -> Workload:
        shots = tuple(Shot(f"s{i}", f"shot {i}", '{"n": 1}') for i in range(self.shots))
        slots = {"n": tuple(range(500))} if self.slots else {}
        return Workload(
            _templates(self.templates, slots=self.slots), slots, SCHEMA, self.systems, shots,
            load=Load(self.concurrency), hash=self.name,
        )  # fmt: skip

    def engine(self, seed: int, around: Surroundings | None = None) -> SimulatedEngine:
        """Return the engine of the world; equal seeds give equal requests.

        `around` is what its requests meet, given where somebody asks for it afterwards.
        """
        around = around or Surroundings(self, seed)

        def answered(settings: Candidate, text: str, rng: np.random.Generator) -> Answered:
            met = around.meet(text, rng, asyncio.get_running_loop().time())
            return draw(self.behaves(settings), limit(settings), text, rng, met)

        what = {
            "crashes": lambda c: not self.behaves(c).starts,
            "memory": lambda c: self.behaves(c).memory_bytes,
            "parallel": self.concurrency,
            "seed": seed,
        }
        knobs, starts = dict(self.knobs), self.starts
        if starts is None:
            return SimulatedEngine(answered, knobs, self.restart_s, self.reload_s, **what)
        return ResolvingEngine(
            answered, knobs, starts.cold_s, self.reload_s, **what, cold_s=starts.cold_s,
            warm_s=starts.warm_s, compiled_by=starts.compiled_by,
        )  # fmt: skip


class Surroundings:
    """What requests meet in one run, one after the other, whatever is asked and served."""

    def __init__(self, world: World, seed: int) -> None:
        self._world = world
        rng = np.random.default_rng([seed, 4711])
        self._path = world.pace.path(2 * world.budget_s, rng) if world.pace else np.ones(1)
        self._starts = np.random.default_rng([seed, 4712])
        self._start: np.random.Generator | None = None
        self._pace = 1.0
        self._left, self._stall = 0, 0.0
        self._seen: list[tuple[float, float]] = []

    def meet(self, text: str, rng: np.random.Generator, now_s: float) -> Met:
        """Return what the next request meets; each engine start has a generator of its own."""
        if rng is not self._start:
            self._start = rng
            self._pace = float(np.exp(self._world.start_sd * self._starts.standard_normal()))
        pace = self._pace * float(self._path[min(int(now_s), self._path.size - 1)])
        self._seen.append((now_s, pace))
        return Met(pace, self._kind(text, rng), self._together(rng))

    def paces(self, sent_s: npt.ArrayLike) -> Floats:
        """Return the paces that requests met which were sent at these seconds of the run."""
        seconds, paces = np.array(self._seen).T
        at = np.searchsorted(seconds, np.asarray(sent_s) + _SAME_S, side="right") - 1
        found: Floats = paces[at]
        return found

    def _kind(self, text: str, rng: np.random.Generator) -> float | None:
        what, number, *_ = text.split()
        if not self._world.own_kind or what != "template":
            return None
        own = rng.random() < self._world.own_kind
        return own_places(self._world.templates)[int(number)] if own else None

    def _together(self, rng: np.random.Generator) -> float | None:
        if self._world.concurrency == 1:
            return None
        if not self._left:
            self._left, self._stall = self._world.concurrency, float(rng.random())
        self._left -= 1
        return self._stall


@cache
def own_places(templates: int) -> tuple[float, ...]:
    """Return where each template stands among the kinds of answers, in [0, 1).

    Both the half for searching and the held-out half are spread evenly, in random order.
    """
    places, held_out = np.empty(templates), templates // 2
    for part, count in ((0, templates - held_out), (1, held_out)):
        order = np.random.default_rng([templates, part]).permutation(count)
        places[part::2] = (order + 0.5) / count
    return tuple(places.tolist())


@cache
def _templates(count: int, *, slots: bool) -> tuple[Template, ...]:
    """Return templates, half of them held out."""
    made = (
        Template(f"t{i}", (Message("user", f"template {i} says {{n}}"),), {"n": "{n}"},
                 f"k{i % 3}", held_out=i % 2 == 1)
        for i in range(count)
    )  # fmt: skip
    return tuple(made if slots else map(_filled, made))


def _filled(template: Template) -> Template:
    """Return a template that is one prompt."""
    number = int(template.id[1:])
    said = Message("user", template.messages[0].content.format(n=number))
    return replace(template, messages=(said,), expect={"n": number})
