"""Send requests and make a sample of each: the hot path, in `tune` itself or in a process of it.

Nothing here imports more than it needs: a client process starts with this module.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tuner.load.arrivals import Call
from tuner.load.wire import Exchange, Transport
from tuner.spec.values import Load, Outcome, Sample


@dataclass(frozen=True, slots=True)
class Reply:
    """What an engine's reader made of an exchange.

    `first_ns` and `last_ns` are the arrivals of the first and last chunk with output, `by_chunks`
    and `unknown_fields` are those of `Sample`.
    """

    outcome: Outcome
    error: str | None = None
    first_ns: int | None = None
    last_ns: int | None = None
    prompt_tokens: int | None = None
    output_tokens: int | None = None
    finish: str | None = None
    answer: str = ""
    server: Mapping[str, Any] = field(default_factory=dict)
    by_chunks: bool = False
    unknown_fields: tuple[str, ...] = ()


Read = Callable[[Exchange], Reply]


@dataclass(frozen=True, slots=True)
class Job:
    """What all requests of a run share; it can be sent to another process."""

    load: Load
    read: Read
    engine_start: int
    warmup: bool = False


Source = Callable[[], Awaitable[tuple[Call, int | None] | None]]
"""Gives the next call and its planned instant in ns (None in closed loop) when it is to be
sent, and None when there is no more."""

Done = Callable[[Sample], None]


async def issue(source: Source, job: Job, transport: Transport, done: Done) -> None:
    """Send all calls that the source gives, and wait for all answers.

    Closed loop: `concurrency` requests in flight. Open loop: each is sent when the source
    gives it, however many are still unanswered.
    """
    with _quiet_collector():
        async with asyncio.TaskGroup() as tasks:
            if job.load.open_loop:
                while (given := await source()) is not None:
                    tasks.create_task(_one(*given, job, transport, done))
            else:
                for _ in range(job.load.concurrency):
                    tasks.create_task(_in_turn(source, job, transport, done))


async def _in_turn(source: Source, job: Job, transport: Transport, done: Done) -> None:
    while (given := await source()) is not None:
        await _one(*given, job, transport, done)


async def _one(
    call: Call, planned_ns: int | None, job: Job, transport: Transport, done: Done
) -> None:
    loop, lags_s = asyncio.get_running_loop(), [0.0]
    asked_s = loop.time()
    loop.call_soon(lambda: lags_s.append(loop.time() - asked_s))
    exchange = await transport.send(call.request, job.load.timeout_s)
    reply, loop_lag_ns = job.read(exchange), int(lags_s[-1] * 1e9)
    done(_sample(call, exchange, reply, planned_ns, loop_lag_ns, job))


def _sample(
    call: Call, exchange: Exchange, reply: Reply, planned_ns: int | None, loop_lag_ns: int, job: Job
) -> Sample:
    return Sample(
        prompt_id=call.prompt.id,
        kind=call.prompt.kind,
        cluster=call.prompt.cluster,
        planned_ns=exchange.sent_ns if planned_ns is None else planned_ns,
        sent_ns=exchange.sent_ns,
        first_ns=reply.first_ns,
        last_ns=reply.last_ns,
        connect_ns=exchange.connect_ns,
        prompt_tokens=reply.prompt_tokens,
        output_tokens=reply.output_tokens,
        finish=reply.finish,
        outcome=reply.outcome,
        error=reply.error,
        answer=reply.answer,
        server=reply.server,
        engine_start=job.engine_start,
        warmup=job.warmup,
        loop_lag_ns=loop_lag_ns,
        end_ns=exchange.chunks[-1][0] if exchange.chunks else exchange.end_ns,
        by_chunks=reply.by_chunks,
        unknown_fields=reply.unknown_fields,
        wanted_tokens=call.prompt.output_tokens,
    )


@contextmanager
def _quiet_collector() -> Iterator[None]:
    """Keep the garbage collector out of the measured window: a pause would be a latency."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
