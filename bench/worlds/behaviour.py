"""How requests go under one candidate: kinds of answers, their times, what goes wrong."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import signal

from tuner.testing.simulated import Answered

Floats = npt.NDArray[np.float64]

LIMIT = "num_predict"


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


@dataclass(frozen=True, slots=True)
class Met:
    """What a request meets whatever the candidate: a pace, and two places in [0, 1).

    `kind` is where its template stands among the kinds of answers, `stall` says whether those
    around it stall; None where this is drawn for the request alone.
    """

    pace: float = 1.0
    kind: float | None = None
    stall: float | None = None


def limit(settings: Mapping[str, Any]) -> int:
    """Return the output limit of settings, 0 for none."""
    return int(settings.get(LIMIT, 0))


def draw(
    behaviour: Behaviour, limit: int, text: str, rng: np.random.Generator, met: Met
) -> Answered:
    """Draw what becomes of one request."""
    kind, noise, stall = rng.random(), rng.standard_normal(), rng.random()
    answer = chosen(behaviour.answers, kind if met.kind is None else met.kind)
    factor = met.pace * math.exp(behaviour.sigma * noise)
    stalled = (stall if met.stall is None else met.stall) < behaviour.stall[0]
    ttft = answer.ttft_s * factor + (behaviour.stall[1] if stalled else 0.0)
    if rng.random() < behaviour.death:
        return Answered(ttft, 0.0, "", dies=True)
    written = answer.written(limit)
    finish = "stop" if written == answer.tokens else "length"
    said = _said(answer, behaviour.constant, text, rng)
    return Answered(ttft, answer.tpot_s * factor, said, written, finish)


def chosen(answers: Sequence[Answer], place: float) -> Answer:
    """Return the kind of answer that holds a place in [0, 1)."""
    for answer in answers:
        place -= answer.share
        if place < 0:
            return answer
    return answers[-1]


def _said(answer: Answer, constant: bool, text: str, rng: np.random.Generator) -> str:
    """Return a valid right, a valid wrong, or an unparseable answer."""
    valid, right = rng.random() < answer.valid, rng.random() < answer.correct
    if not valid:
        return "no JSON"
    asked = int(text.split()[-1])
    return json.dumps({"n": asked if right else 1000 if constant else asked + 1})
