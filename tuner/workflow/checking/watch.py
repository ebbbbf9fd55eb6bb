"""Watch what serves: a state that changes only when evidence carries it, looked at all the time.

The night's job that put something into service reads this, and brings the old one back when it is
lost; so does `tune check --watch`, which prints it.
"""

from __future__ import annotations

import asyncio
import itertools
import math
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from tuner.evaluate.standing import ALPHA, Standing
from tuner.evaluate.watched import State, Watched
from tuner.workflow.checking.sources import Collecting, Source

WINDOW_S = 600.0
LOOKS = 60
"""So many looks a window are taken."""

SHOWN = 10
"""So many looks a window are told, and each at which the state changes."""


@dataclass(frozen=True, slots=True)
class WatchPlan:
    """How long to watch, over which windows; `alpha` is the error over the whole watch."""

    window_s: float = WINDOW_S
    for_s: float = math.inf
    alpha: float = ALPHA

    @property
    def every_s(self) -> float:
        """Return the seconds between two looks."""
        return self.window_s / LOOKS


def plan_of(window_s: float | None, for_s: float | None) -> WatchPlan:
    """Return a plan in which what is not said is as usual: no end, WINDOW_S."""
    return WatchPlan(window_s or WINDOW_S, for_s or math.inf)


async def watch(source: Source, plan: WatchPlan) -> AsyncGenerator[Watched]:
    """Yield what is seen of a server: SHOWN times a window, at each change, and at the end.

    A caller acts on `Watched.changed` and `state`: with `lost` a target or floor was shown to be
    missed. Who leaves early closes it (`contextlib.aclosing`). Raises EngineError where nothing
    answers at the beginning; later on that is lateness.
    """
    async with source.collecting() as collecting:
        began_s = _now_s()
        standing = Standing(began_s, plan.window_s, plan.alpha)
        for number in itertools.count(1):
            ended = await _waited(collecting, number * plan.every_s, began_s, plan.for_s)
            before, state = standing.state, standing.look(_now_s(), collecting.record)
            if state != before or ended or number % (LOOKS // SHOWN) == 0:
                yield _watched(collecting, standing, began_s, before)
            if ended:
                return


async def _waited(collecting: Collecting, after_s: float, began_s: float, for_s: float) -> bool:
    """Wait for the next look; tell whether it is the last, for which answers are awaited."""
    await collecting.until(began_s + min(after_s, for_s))
    if after_s < for_s:
        return False
    await collecting.ended()
    return True


def _watched(collecting: Collecting, standing: Standing, began_s: float, before: State) -> Watched:
    now_s, record = _now_s(), collecting.record
    return Watched(
        at_s=now_s - began_s,
        window_s=standing.window_s,
        state=standing.state,
        before=before,
        figures=record.figures(max(began_s, now_s - standing.window_s)),
        missed=standing.missed,
        unjudged=record.unjudged(),
        notes=record.notes(),
    )


def _now_s() -> float:
    return asyncio.get_running_loop().time()
