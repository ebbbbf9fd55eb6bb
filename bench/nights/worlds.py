"""Worlds of configurations, each with a truth that decides which promotion is wrong."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from tuner.evaluate.duel import FLOOR

Floats = npt.NDArray[np.float64]
Rng = np.random.Generator

QUANTILE, ALLOWED = 0.99, 0.01
"""The target, and the late rate from which on it is missed."""

LATE, JUST, MISSING = 0.002, 0.0099, 0.03
"""True late rates: of what meets the target, just meets it, and misses it after a shift."""

MARGIN = 0.05
"""What may be lost of right answers."""

AT_FLOOR = math.log1p(-FLOOR)
"""The log ratio of latencies below which one is better."""

KNOWN = 200
"""Configurations of a world beside the one that serves at first."""

NIGHT_SD = 0.01
"""How the log ratio of two configurations differs from night to night: a standard deviation."""


@dataclass(slots=True)
class World:
    """What is true of configurations, of which number 0 serves at first and is the anchor.

    `ratios` are log latencies and `answers` shares of right answers, beside those of the anchor;
    `late` are shares of late requests. Log ratios differ by `night_sd` from night to night, and by
    `pair_sd` between pairs beyond what blocks do. `serves` is in service now; `better` should be,
    if there is one.
    """

    ratios: Floats
    late: Floats
    answers: Floats
    night_sd: float = NIGHT_SD
    pair_sd: float = 0.0
    serves: int = 0
    better: int | None = None

    def gain(self, one: int) -> float:
        """Return the log ratio of one to what serves now; below 0 it is faster."""
        return float(self.ratios[one] - self.ratios[self.serves])

    def meets(self, one: int) -> bool:
        """Tell whether one meets the target."""
        return bool(self.late[one] < ALLOWED)

    def losses(self, one: int) -> dict[str, float]:
        """Return what one has more of right answers than others, by whose they are."""
        beside = {"incumbent": self.serves, "anchor": 0}
        if self.serves == 0:
            del beside["anchor"]
        return {whose: float(self.answers[one] - self.answers[w]) for whose, w in beside.items()}

    def harmful(self, one: int) -> bool:
        """Tell whether one is worse in something, or no faster where that is what it is for."""
        needed = self.gain(one) < 0 or not self.meets(self.serves)
        kept = all(loss > -MARGIN for loss in self.losses(one).values())
        return not (needed and kept and self.meets(one))

    def wrong(self, one: int) -> bool:
        """Tell whether it is wrong to promote one: harmful, or faster by no more than FLOOR."""
        needed = self.gain(one) < AT_FLOOR or not self.meets(self.serves)
        return self.harmful(one) or not needed


Draw = Callable[[Rng], World]


def drawn(*kinds: tuple[Floats, Floats | float, Floats | float]) -> World:
    """Return a world of kinds: their log ratios, late rates and answers beside the anchor's."""
    first = (np.zeros(1), LATE, 0.0)
    filled = [np.broadcast_arrays(*kind) for kind in (first, *kinds)]
    ratios, late, answers = (np.concatenate(column) for column in zip(*filled, strict=True))
    return World(ratios, late, answers)


def unchanged(rng: Rng) -> World:
    """Return a world in which nothing is better: most are slower, and all other kinds there are.

    Thirty are exactly as good and thirty faster by 1 to 3 %; ten are 10 to 25 % faster and late
    in 1 to 2 % of requests, ten as fast and lose 5 to 10 points of right answers.
    """
    return drawn(
        (np.abs(rng.normal(0.02, 0.06, KNOWN - 80)), LATE, 0.0),
        (np.zeros(30), LATE, 0.0),
        (np.log1p(-rng.uniform(0.01, FLOOR, 30)), LATE, 0.0),
        (np.log1p(-rng.uniform(0.1, 0.25, 10)), rng.uniform(0.01, 0.02, 10), 0.0),
        (np.log1p(-rng.uniform(0.1, 0.25, 10)), LATE, -rng.uniform(0.05, 0.1, 10)),
    )


def at_the_floor(rng: Rng) -> World:
    """Return a world in which each is faster by exactly what is not enough."""
    return drawn((np.full(KNOWN, AT_FLOOR), LATE, 0.0))


def at_two_edges(rng: Rng) -> World:
    """Return the same world where what serves just meets its target."""
    world = at_the_floor(rng)
    world.late[0] = JUST
    return world


def at_the_target(rng: Rng) -> World:
    """Return a world in which each is 20 % faster and late exactly as often as the target."""
    return drawn((np.full(KNOWN, math.log(0.8)), ALLOWED, 0.0))


def at_the_margin(rng: Rng) -> World:
    """Return a world in which each is 20 % faster and loses exactly the margin of answers."""
    return drawn((np.full(KNOWN, math.log(0.8)), LATE, -MARGIN))


def with_better(world: World, gain: float = 0.2) -> World:
    """Return the world with one more, which is better by a share in all that serves."""
    return replace(
        world,
        ratios=np.append(world.ratios, math.log1p(-gain)),
        late=np.append(world.late, LATE),
        answers=np.append(world.answers, 0.0),
        better=world.ratios.size,
    )


def spread(draw: Draw, night_sd: float, pair_sd: float = 0.0) -> Draw:
    """Return how to draw a world with other spreads between nights, and between pairs."""
    return lambda rng: replace(draw(rng), night_sd=night_sd, pair_sd=pair_sd)


def updated(rng: Rng) -> World:
    """Return the world after an engine update: all is drawn anew, and one is 20 % better."""
    return with_better(unchanged(rng))


def longer(rng: Rng) -> World:
    """Return the world after prompts grew: what serves misses its target, one is 20 % better."""
    world = with_better(unchanged(rng))
    world.late[0] = MISSING
    return world
