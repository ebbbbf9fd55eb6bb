"""Measure cold starts: what the first request costs after Ollama has unloaded the model.

With `keep_alive` the model leaves the memory when nobody asked for so long; the next request
waits until it is loaded again.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import replace

from tuner.engines.base import Unloads
from tuner.evaluate.cold_start import ColdStart, ColdStarts
from tuner.load.arrivals import Call
from tuner.load.drive import drive
from tuner.spec.errors import EngineDied
from tuner.spec.requests.conversation import client_part
from tuner.spec.values import Candidate, Load
from tuner.workflow.measuring.artifacts import Rendering
from tuner.workflow.measuring.serve_as_model import create_model
from tuner.workflow.measuring.session import Session

COLD_STARTS = 3


async def cold_starts(
    session: Session, candidate: Candidate, count: int = COLD_STARTS
) -> ColdStarts | None:
    """Return what cold starts cost a candidate, None where its engine cannot unload a model.

    Each is one request after the model was unloaded. All together may take what is left of the
    budget and a short grace; those that ended by then are returned. Raises EngineError where none
    did.
    """
    if not isinstance(session.engine, Unloads):
        return None
    found: list[ColdStarts] = []
    most_s = session.start_s()
    try:
        async with asyncio.timeout(most_s) as bound:
            await _one_by_one(session, candidate, count, found.append)
    except TimeoutError:
        if not bound.expired():
            raise
        if not found:
            raise EngineDied(f"none ended within {most_s:.0f} s, which the budget left") from None
    return found[-1] if found and found[-1].starts else None


async def _one_by_one(
    session: Session, candidate: Candidate, count: int, tell: Callable[[ColdStarts], None]
) -> None:
    """Measure one cold start after the other, and tell what is known after each."""
    engine = session.engine
    assert isinstance(engine, Unloads)
    rendering = Rendering(session.study, engine, candidate)
    created = await create_model(rendering, await engine.apply(candidate))
    calls = session.spare_calls(client_part(candidate, created is not None))
    warm_bytes = engine.memory_bytes()
    starts: tuple[ColdStart, ...] = ()
    for call in itertools.islice(calls, count):
        await engine.unload()
        cold_bytes = engine.memory_bytes()
        starts = (*starts, *await _first(session, call))
        tell(ColdStarts(starts, warm_bytes, cold_bytes))


async def _first(session: Session, call: Call) -> list[ColdStart]:
    """Return the first request after an unload; [] where it was not served."""
    transport = session.engine.transport()
    load = replace(Load(), timeout_s=600.0)
    try:
        driven = await drive(iter([call]), load, transport, session.engine.read, engine_start=1)
    finally:
        await transport.aclose()
    loads = ((s, s.server.get("load_duration")) for s in driven.samples if s.outcome == "ok")
    return [
        ColdStart(s.latency_s("e2e"), s.latency_s("ttft"), told / 1e9 if told else None)
        for s, told in loads
    ]
