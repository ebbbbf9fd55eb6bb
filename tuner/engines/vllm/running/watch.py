"""Watch a server while it is measured: its page before and after, its gauges in between.

A page costs the API server some milliseconds, so gauges are read once a second, and sooner in the
first second, since a trial may be short. Nothing that a server sends or leaves out raises here.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import ssl
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tuner.engines.observation import Level, Observation, level
from tuner.engines.serving import metrics_page
from tuner.engines.serving.control import Headers
from tuner.engines.vllm.running.metrics import Gauges, Page, grown, read_gauges, read_page
from tuner.engines.vllm.running.proposals import Limits
from tuner.engines.vllm.running.reason import Seen, reason

if TYPE_CHECKING:
    import aiohttp

FIRST_WAITS_S = (0.2, 0.3, 0.5)
WAIT_S = 1.0
_NOT_KEPT = "_up_to_"
"""Part of the names of totals that only the reason needs: the buckets of histograms."""


@dataclass(slots=True)
class Watch:
    """A server that is being watched since a page was read; see `watching`."""

    url: str
    limits: Limits
    session: aiohttp.ClientSession
    readings: list[Gauges] = field(default_factory=list)
    _before: Page | None = None
    _began_s: float = 0.0

    async def begin(self) -> None:
        """Read the page from which everything counts."""
        self._before = read_page(await self._text())
        self._began_s = asyncio.get_running_loop().time()

    async def sample(self) -> None:
        """Read gauges until cancelled."""
        for wait_s in itertools.chain(FIRST_WAITS_S, itertools.repeat(WAIT_S)):
            await asyncio.sleep(wait_s)
            if text := await self._text():
                self.readings.append(read_gauges(text))

    async def observation(self) -> Observation | None:
        """Return what the server told since the beginning, None where it told nothing."""
        elapsed_s = asyncio.get_running_loop().time() - self._began_s
        before, after = self._before, read_page(await self._text())
        if before is None or after is None:
            return None
        found = grown(before, after)
        if found.restarted:
            return Observation(elapsed_s, restarted=True)
        readings = tuple(self.readings)
        seen = Seen(elapsed_s, found.totals, readings, self.limits, after.settings, after.engines)
        kept = {name: total for name, total in found.totals.items() if _NOT_KEPT not in name}
        return Observation(elapsed_s, kept, _levels(readings), reason(seen))

    async def _text(self) -> str:
        return await metrics_page.text(self.session, self.url)


@contextlib.asynccontextmanager
async def watching(
    origin: str, limits: Limits, *, headers: Headers = (), tls: ssl.SSLContext | None = None
) -> AsyncIterator[Watch]:
    """Watch the server at `origin` while the context lasts; `limits` are those in force."""
    async with metrics_page.session(headers, tls) as session:
        watch = Watch(_url(origin), limits, session)
        await watch.begin()
        sampler = asyncio.create_task(watch.sample())
        try:
            yield watch
        finally:
            sampler.cancel()
            await asyncio.gather(sampler, return_exceptions=True)


async def page(
    origin: str, *, headers: Headers = (), tls: ssl.SSLContext | None = None
) -> Page | None:
    """Return what the server at `origin` tells now, None where it tells nothing."""
    return read_page(await metrics_page.page(_url(origin), headers=headers, tls=tls))


def _url(origin: str) -> str:
    return f"{origin}/metrics"


def _levels(readings: Sequence[Gauges]) -> dict[str, Level]:
    """Return the level of each gauge that was read."""
    gauges = {
        "running": [r.running for r in readings],
        "waiting": [r.waiting for r in readings],
        "deferred": [r.deferred for r in readings],
        "kv_usage": [r.kv_usage for r in readings],
    }
    known = {name: [v for v in values if v is not None] for name, values in gauges.items()}
    found = {name: level(values) for name, values in known.items()}
    return {name: value for name, value in found.items() if value is not None}
