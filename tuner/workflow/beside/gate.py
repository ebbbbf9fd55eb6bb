"""Whether production is busy: asked before a start and between trials, which wait for its end."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from tuner.spec.beside import Threshold
from tuner.spec.errors import Busy

POLL_S = 5.0
"""Seconds between two looks at production while we wait for it."""

CALM_LOOKS = 3
"""So many calm looks one after the other end a wait: a gap between requests is no calm."""

Read: TypeAlias = Callable[[], Awaitable[float | None]]
"""Returns a load, None where nobody tells."""


@dataclass(frozen=True, slots=True)
class Watched:
    """A load of production: in words, where it begins to be busy, and how it is read."""

    what: str
    threshold: Threshold
    read: Read


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at production showed: why it is busy, what is unknown, and whether it is calm.

    What lies between calm and busy is neither. `at_s` is the time of the event loop.
    """

    busy: str | None
    unknown: str | None
    calm: bool
    at_s: float

    @property
    def why(self) -> str | None:
        """Return why nothing is started now, None where nothing is in the way."""
        return self.busy or self.unknown


@dataclass(slots=True)
class Gate:
    """Lets trials pass while production is not busy.

    It waits `patience_s` at most; a load that nobody tells is no calm, and is waited for as well.
    `note` hears of waits.
    """

    watched: Sequence[Watched]
    patience_s: float
    note: Callable[[str], None] = lambda line: None
    _last: Look | None = field(default=None, init=False)

    async def look(self) -> Look:
        """Return what production does now, from each of its loads."""
        found = [(w, await w.read()) for w in self.watched]
        known = [(w, load) for w, load in found if load is not None]
        crossed = [(w, load) for w, load in known if w.threshold.crossed(load)]
        busy = [f"{w.what} is {load:.4g}, {w.threshold}" for w, load in crossed]
        unknown = [f"{w.what} cannot be read" for w, load in found if load is None]
        calm = not unknown and all(w.threshold.calm(load) for w, load in known)
        at_s = asyncio.get_running_loop().time()
        self._last = Look("; ".join(busy) or None, "; ".join(unknown) or None, calm, at_s)
        return self._last

    async def until_calm(self, most_s: float = math.inf) -> None:
        """Return at once where production is not busy, else when it has become calm.

        Raises Busy where that takes longer than the patience, or than `most_s`.
        """
        loop = asyncio.get_running_loop()
        fresh = self._last is not None and loop.time() - self._last.at_s < POLL_S
        seen = self._last if fresh and self._last else await self.look()
        if seen.why is None:
            return
        began_s, needed, calm = loop.time(), 1, 0
        self.note(f"paused: production is busy: {seen.why}" if seen.busy else f"paused: {seen.why}")
        while calm < needed:
            needed = CALM_LOOKS if seen.busy else needed
            left_s = self._patience_left(seen, loop.time() - began_s, most_s)
            await asyncio.sleep(min(POLL_S, left_s))
            seen = await self.look()
            calm = calm + 1 if seen.calm else 0
        self.note(f"goes on after a pause of {loop.time() - began_s:.0f} s: production is calm")

    def _patience_left(self, seen: Look, waited_s: float, most_s: float) -> float:
        """Return for how many seconds to wait on; raise Busy where there are none."""
        left_s = min(self.patience_s, most_s) - waited_s
        if left_s > 0:
            return left_s
        why = seen.why or "not calm for long enough"
        raise Busy(
            f"production was busy for {waited_s:.0f} s: {why}; no more was started, and what was "
            "measured is kept: go on with --resume when it is calm, or see beside.pause_while in "
            "the study"
        )
