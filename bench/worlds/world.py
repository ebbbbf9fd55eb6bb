"""A simulated world: how requests go under each candidate, and the truth that follows from it.

A world says for every candidate how its answers are distributed (`Behaviour`). From this one
description come both the engine that is tuned, in virtual time, and the truth that a tuning
run is judged by: the exact late rate, the exact p99, and the best feasible candidate.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy import signal

from tuner.spec.space import Space
from tuner.spec.study import Study
from tuner.spec.values import Candidate, Guard, Knob, Load, Message, Slo
from tuner.spec.workload import Shot, Template, Workload
from tuner.testing.simulated import Answered, SimulatedEngine

Floats = npt.NDArray[np.float64]

LIMIT = "num_predict"
TEMPLATES = 240
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


@dataclass(frozen=True, slots=True)
class Answer:
    """One kind of answer: how often it comes, its median times, and how good it is.

    `valid` and `correct` (of the valid ones) are shares of the answers that are not cut.
    """

    share: float
    ttft_s: float
    tpot_s: float
    tokens: int
    valid: float = 1.0
    correct: float = 1.0

    def seconds(self, limit: int) -> float:
        """Return the median latency under an output limit, 0 for none."""
        return self.ttft_s + self.tpot_s * max(self.written(limit) - 1, 0)

    def written(self, limit: int) -> int:
        """Return how many tokens are written under an output limit."""
        return min(self.tokens, limit) if limit > 0 else self.tokens

    def good(self, limit: int) -> tuple[float, float]:
        """Return the shares of valid and of correct answers under an output limit."""
        whole = float(self.written(limit) == self.tokens)
        return whole * self.valid, whole * self.valid * self.correct


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How requests go under one candidate.

    A request's times are its answer's, times one lognormal factor of `sigma`; a `stall`
    (share of requests, seconds) is added to the time to first token. `constant` answers are
    the same for every prompt when they are wrong. `starts` is False for a candidate that
    crashes at its start; `death` is the share of requests that take the engine down.
    """

    answers: tuple[Answer, ...]
    sigma: float = 0.05
    stall: tuple[float, float] = (0.0, 0.0)
    constant: bool = False
    memory_bytes: int = 2**27
    starts: bool = True
    death: float = 0.0


@dataclass(frozen=True, slots=True)
class Pace:
    """A machine whose pace drifts: its logarithm is AR(1) in virtual time.

    `sd` is its stationary standard deviation, `seconds` the time over which the correlation
    falls to 1/e. The truth of such a world is the stationary one.
    """

    sd: float
    seconds: float

    def path(self, seconds: float, rng: np.random.Generator) -> Floats:
        """Return the factor on all latencies, one value a second."""
        phi = math.exp(-1 / self.seconds)
        shocks = rng.normal(size=math.ceil(seconds) + 1) * self.sd * math.sqrt(1 - phi**2)
        shocks[0] = rng.normal() * self.sd
        factors: Floats = np.exp(signal.lfilter([1.0], [1.0, -phi], shocks))
        return factors


@dataclass(frozen=True, slots=True, eq=False)
class World:
    """A world to tune in.

    `development` worlds may be looked at while a search is being built; `held-out` ones only
    judge it.
    """

    name: str
    split: Literal["development", "held-out"]
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

    @property
    def slo(self) -> Slo:
        """Return the target."""
        return Slo("e2e", 0.99, self.target_s)

    def study(self, seed: int, *, stop_when_met: bool) -> Study:
        """Return the study; it stops at its first proof where studies can be told to."""
        proof = {"stop_when_met": True} if stop_when_met and _stops() else {}
        return Study(
            name=self.name, engine="simulated", model="simulated", workload=self._workload(),
            slos=(self.slo,), guard=self.guard, baseline=dict(self.baseline), space=self.space,
            budget_s=self.budget_s, seed=seed, objective="e2e_p99", file=f"{self.name}.yaml",
            **proof,
        )  # fmt: skip

    def _workload(self) -> Workload:
        shots = tuple(Shot(f"s{i}", f"shot {i}", '{"n": 1}') for i in range(self.shots))
        return Workload(
            _templates(), {"n": tuple(range(500))}, SCHEMA, self.systems, shots, load=Load(),
            hash=self.name,
        )  # fmt: skip

    def engine(self, seed: int) -> SimulatedEngine:
        """Return the engine of the world; equal seeds give equal requests."""
        rng = np.random.default_rng([seed, 4711])
        path = self.pace.path(2 * self.budget_s, rng) if self.pace else np.ones(1)

        def answered(settings: Candidate, text: str, rng: np.random.Generator) -> Answered:
            now = int(asyncio.get_running_loop().time())
            pace = float(path[min(now, path.size - 1)])
            return draw(self.behaves(settings), limit(settings), text, rng, pace)

        return SimulatedEngine(
            answered, dict(self.knobs), self.restart_s, self.reload_s, seed=seed,
            crashes=lambda c: not self.behaves(c).starts,
            memory=lambda c: self.behaves(c).memory_bytes,
        )  # fmt: skip


@cache
def _stops() -> bool:
    return "stop_when_met" in {f.name for f in fields(Study)}


@cache
def _templates() -> tuple[Template, ...]:
    """Return templates, half of them held out."""
    return tuple(
        Template(f"t{i}", (Message("user", f"template {i} says {{n}}"),), {"n": "{n}"},
                 f"k{i % 3}", held_out=i % 2 == 1)
        for i in range(TEMPLATES)
    )  # fmt: skip


def limit(settings: Mapping[str, Any]) -> int:
    """Return the output limit of settings, 0 for none."""
    return int(settings.get(LIMIT, 0))


def draw(
    behaviour: Behaviour, limit: int, text: str, rng: np.random.Generator, pace: float = 1.0
) -> Answered:
    """Draw what becomes of one request."""
    answer = _chosen(behaviour.answers, rng.random())
    factor = pace * math.exp(behaviour.sigma * rng.standard_normal())
    stall = behaviour.stall[1] if rng.random() < behaviour.stall[0] else 0.0
    ttft = answer.ttft_s * factor + stall
    if rng.random() < behaviour.death:
        return Answered(ttft, 0.0, "", dies=True)
    written = answer.written(limit)
    finish = "stop" if written == answer.tokens else "length"
    said = _said(answer, behaviour.constant, text, rng)
    return Answered(ttft, answer.tpot_s * factor, said, written, finish)


def _chosen(answers: Sequence[Answer], u: float) -> Answer:
    for answer in answers:
        u -= answer.share
        if u < 0:
            return answer
    return answers[-1]


def _said(answer: Answer, constant: bool, text: str, rng: np.random.Generator) -> str:
    """Return a valid right, a valid wrong, or an unparseable answer."""
    valid, right = rng.random() < answer.valid, rng.random() < answer.correct
    if not valid:
        return "no JSON"
    asked = int(text.split()[-1])
    return json.dumps({"n": asked if right else 1000 if constant else asked + 1})
