"""Drive a server with requests: closed loop or open loop, each request becoming a sample."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tuner.load.arrivals import offsets_s
from tuner.load.wire import Exchange, Request, Transport
from tuner.spec.values import Load, Outcome, Prompt, Sample


@dataclass(frozen=True, slots=True)
class Reply:
    """What an engine's reader made of an exchange.

    `first_ns` and `last_ns` are the arrivals of the first and last chunk with content.
    """

    outcome: Outcome
    error: str | None = None
    first_ns: int | None = None
    last_ns: int | None = None
    prompt_tokens: int | None = None
    output_tokens: int | None = None
    finish: str | None = None
    answer: str = ""
    server: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Call:
    """A prompt and the HTTP request that carries it."""

    prompt: Prompt
    request: Request


@dataclass(frozen=True, slots=True)
class Driven:
    """What a load run brought: samples in the order of sending, and what the client spent.

    `client_lag_p99_s` is how late requests were sent against their plan (open loop only).
    """

    samples: tuple[Sample, ...]
    elapsed_s: float
    client_cpu_s: float
    client_lag_p99_s: float


Read = Callable[[Exchange], Reply]
Stop = Callable[[Sample], bool]


async def drive(
    calls: Iterator[Call],
    load: Load,
    transport: Transport,
    read: Read,
    *,
    engine_start: int,
    warmup: bool = False,
    stop: Stop = lambda sample: False,
    rng: np.random.Generator | None = None,
) -> Driven:
    """Send the calls as the load says until they or `stop` end it.

    `stop` sees each sample as it ends; requests in flight are always waited for, so that
    none is lost and the slow ones are not the missing ones.
    """
    run = _Run(load, transport, read, engine_start, warmup, stop)
    cpu, began = time.process_time(), _now_ns()
    with _quiet_collector():
        if load.open_loop:
            await _open_loop(run, calls, rng or np.random.default_rng())
        else:
            await _closed_loop(run, calls)
    samples = tuple(sorted(run.samples, key=lambda s: (s.planned_ns, s.sent_ns)))
    return Driven(samples, (_now_ns() - began) / 1e9, time.process_time() - cpu, _lag_p99(samples))


@dataclass(slots=True)
class _Run:
    load: Load
    transport: Transport
    read: Read
    engine_start: int
    warmup: bool
    stop: Stop
    stopped: bool = False
    samples: list[Sample] = field(default_factory=list)

    async def one(self, call: Call, planned_ns: int | None) -> None:
        exchange = await self.transport.send(call.request, self.load.timeout_s)
        reply = self.read(exchange)
        sample = _sample(call.prompt, exchange, reply, planned_ns, self)
        self.samples.append(sample)
        self.stopped = self.stop(sample) or self.stopped


async def _closed_loop(run: _Run, calls: Iterator[Call]) -> None:
    async def worker() -> None:
        while not run.stopped and (call := next(calls, None)) is not None:
            await run.one(call, None)

    async with asyncio.TaskGroup() as workers:
        for _ in range(run.load.concurrency):
            workers.create_task(worker())


async def _open_loop(run: _Run, calls: Iterator[Call], rng: np.random.Generator) -> None:
    """Send each call at its planned time, however many are still unanswered."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    async with asyncio.TaskGroup() as requests:
        for call, offset in zip(calls, offsets_s(run.load, rng), strict=False):
            await asyncio.sleep(max(0.0, start + offset - loop.time()))
            if run.stopped:
                break
            requests.create_task(run.one(call, int((start + offset) * 1e9)))


def _sample(
    prompt: Prompt, exchange: Exchange, reply: Reply, planned_ns: int | None, run: _Run
) -> Sample:
    return Sample(
        prompt_id=prompt.id,
        kind=prompt.kind,
        cluster=prompt.cluster,
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
        engine_start=run.engine_start,
        warmup=run.warmup,
        end_ns=exchange.chunks[-1][0] if exchange.chunks else exchange.end_ns,
    )


def _lag_p99(samples: tuple[Sample, ...]) -> float:
    lags = [(s.sent_ns - s.planned_ns) / 1e9 for s in samples]
    return float(np.quantile(lags, 0.99)) if lags else 0.0


def _now_ns() -> int:
    # The event loop's clock, so that a simulated loop runs whole studies in virtual time.
    return int(asyncio.get_running_loop().time() * 1e9)


@contextmanager
def _quiet_collector() -> Iterator[None]:
    """Keep the garbage collector out of the measured window: a pause would be a latency."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
