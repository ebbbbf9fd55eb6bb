"""Plan what is sent and when; there is one plan, however many processes send the requests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from tuner.load.wire import Request
from tuner.spec.values import Load, Prompt


@dataclass(frozen=True, slots=True)
class Call:
    """A prompt and the HTTP request that carries it."""

    prompt: Prompt
    request: Request


def planned(
    calls: Iterable[Call], load: Load, rng: np.random.Generator
) -> Iterator[tuple[Call, float]]:
    """Yield each call of an open loop with its sending time in seconds from the first one's.

    Gaps have a mean of 1 / rate: constant ones, exponential ones (Poisson arrivals), gamma
    ones of shape `burstiness` (1 is Poisson, less comes in bursts, more is more regular; the
    parameter of `vllm bench serve --burstiness`), or those of the recording that the prompts
    come from. Raises ValueError for a closed loop, where the server's answers set the pace.
    """
    if load.rate is None:
        raise ValueError("a closed loop has no planned arrivals")
    at_s, before = 0.0, None
    for call in calls:
        at_s += 0.0 if before is None else _gap_s(load, load.rate, before, call, rng)
        yield call, at_s
        before = call


def _gap_s(load: Load, rate: float, before: Call, call: Call, rng: np.random.Generator) -> float:
    if load.arrivals == "poisson":
        return float(rng.exponential(1 / rate))
    if load.arrivals == "gamma":
        return float(rng.gamma(load.burstiness, 1 / (rate * load.burstiness)))
    if load.arrivals == "trace" and before.prompt.at_s <= call.prompt.at_s:
        return call.prompt.at_s - before.prompt.at_s
    return 1 / rate  # constant, and where a recording begins again
