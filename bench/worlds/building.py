"""How worlds are written down: knobs with their values, and what they do to an answer."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from bench.worlds.behaviour import Answer, Behaviour
from bench.worlds.world import World
from tuner.engines.serving.usual_knobs import usual
from tuner.spec.knobs import Knob
from tuner.spec.space import Choices, Dimension, Space
from tuner.spec.values import Candidate, Setting, Tier

LENGTHS = ((16, 0.3), (20, 0.5), (24, 0.2))
BATCHES = Choices((16, 32, 64, 128, 256, 512, 1024))
CONTEXTS = Choices((512, 1024, 2048, 4096, 8192))
TOP_K = Choices((1, 5, 10, 20, 40, 80, 100))

Described = tuple[Tier, Setting, Dimension]
"""A knob: its tier, its value in the baseline, its values."""


def place(dimension: Dimension, value: Setting) -> float:
    """Return where a value stands in its dimension, from 0 to 1."""
    if isinstance(dimension, Choices):
        return dimension.values.index(value) / max(len(dimension) - 1, 1)
    return (float(value) - dimension.low) / (dimension.high - dimension.low)


def answering(
    ttft_s: float,
    tpot_s: float,
    lengths: Iterable[tuple[int, float]] = LENGTHS,
    valid: float = 1.0,
    correct: float = 0.95,
    **more: Any,
) -> Behaviour:
    """Return the behaviour whose answers differ in their length alone; weights need no sum."""
    given = list(lengths)
    total = sum(weight for _, weight in given)
    answers = (
        Answer(weight / total, ttft_s, tpot_s, n, valid, correct) for n, weight in given if weight
    )
    return Behaviour(tuple(answers), **more)


def made(
    name: str,
    about: str,
    target_s: float,
    knobs: Mapping[str, Described],
    behaves: Callable[[Candidate, Mapping[str, float]], Behaviour],
    **more: Any,
) -> World:
    """Return a world; `behaves` sees the settings and their places in [0, 1]."""
    space: Space = {n: dimension for n, (_, _, dimension) in knobs.items()}
    return World(
        name=name,
        split="development",
        about=about,
        knobs={n: usual(Knob(n, tier, value)) for n, (tier, value, _) in knobs.items()},
        space=space,
        baseline={n: value for n, (_, value, _) in knobs.items()},
        target_s=target_s,
        behaves=lambda c: behaves(c, {n: place(d, c[n]) for n, d in space.items()}),
        **more,
    )


def bowl(at: Mapping[str, float], parts: Mapping[str, tuple[float, float]]) -> float:
    """Return exp of the sum of weight * (place - optimum)^2 over (weight, optimum) parts."""
    return math.exp(sum(w * (at[name] - best) ** 2 for name, (w, best) in parts.items()))
