"""How long a night may work: until its window closes, whatever the clocks do meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

from tuner.spec.window import Window
from tuner.workflow.measuring.run_time import unbounded
from tuner.workflow.nightly.asked import NotTonight


def _utc() -> datetime:
    return datetime.now(UTC)


def until_closed(
    window: Window | None,
    wall: Callable[[], datetime] = _utc,
    steady_s: Callable[[], float] = time.monotonic,
) -> Callable[[], float]:
    """Return what tells in how many seconds a window closes; raise NotTonight where it is closed.

    A `wall` clock that is put back gives no more time than there was in the beginning by a
    `steady_s` one, and one that is put forward past the end leaves none.
    """
    if window is None:
        return unbounded
    began = wall()
    opening = window.opening(began)
    if opening is None:
        opens = window.next_opening(began).begins.astimezone(window.zone)
        raise NotTonight(
            f"the window {window} is closed; it opens {opens:%Y-%m-%d %H:%M}", alarm=False
        )
    ends, began_s = opening.ends, steady_s()
    length_s = (ends - began).total_seconds()

    def left_s() -> float:
        by_wall = (ends - wall()).total_seconds()
        return min(by_wall, length_s - (steady_s() - began_s))

    return left_s
