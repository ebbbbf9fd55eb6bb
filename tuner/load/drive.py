"""Drive a server with requests: closed loop or open loop, each request becoming a sample."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from tuner.load.arrivals import Call, planned
from tuner.load.issue import Job, Read, Source, issue
from tuner.load.processes import by_processes
from tuner.load.wire import HttpTransport, Transport
from tuner.spec.values import Load, Sample


@dataclass(frozen=True, slots=True)
class Driven:
    """What a load run brought: samples in the order of sending, and the CPU time of the client."""

    samples: tuple[Sample, ...]
    elapsed_s: float
    client_cpu_s: float


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

    `stop` sees each sample as it ends. Requests in flight are always awaited: otherwise the slow
    ones would be missing. With several client processes `read` has to be a function that they can
    import.
    """
    job, run = Job(load, read, engine_start, warmup), _Run(stop)
    plan = _plan(calls, load, rng or np.random.default_rng())
    cpu, began = time.process_time(), _now_ns()
    cpu_elsewhere_s = 0.0
    if load.client_processes > 1 and isinstance(transport, HttpTransport):
        began, cpu_elsewhere_s = await by_processes(plan, job, transport.address, run)
    else:
        await issue(_source(plan, run), job, transport, run.done)
    elapsed_s, cpu_s = (_now_ns() - began) / 1e9, time.process_time() - cpu + cpu_elsewhere_s
    samples = tuple(sorted(run.samples, key=lambda s: (s.planned_ns, s.sent_ns)))
    return Driven(samples, elapsed_s, cpu_s)


@dataclass(slots=True)
class _Run:
    """The samples so far, and whether they are enough."""

    stop: Stop
    stopped: bool = False
    samples: list[Sample] = field(default_factory=list)

    def done(self, sample: Sample) -> None:
        self.samples.append(sample)
        self.stopped = self.stop(sample) or self.stopped


def _plan(
    calls: Iterator[Call], load: Load, rng: np.random.Generator
) -> Iterator[tuple[Call, float | None]]:
    """Yield calls with their offset from the start in seconds, None in closed loop."""
    return planned(calls, load, rng) if load.open_loop else ((call, None) for call in calls)


def _source(plan: Iterator[tuple[Call, float | None]], run: _Run) -> Source:
    """Return a source that gives each call at its time, until the run has been stopped."""
    loop = asyncio.get_running_loop()
    start_s = loop.time()

    async def source() -> tuple[Call, int | None] | None:
        if run.stopped or (given := next(plan, None)) is None:
            return None
        call, offset_s = given
        if offset_s is None:
            return call, None
        await asyncio.sleep(max(0.0, start_s + offset_s - loop.time()))
        return None if run.stopped else (call, int((start_s + offset_s) * 1e9))

    return source


def _now_ns() -> int:
    # The event loop's clock, so that a simulated loop runs whole studies in virtual time.
    return int(asyncio.get_running_loop().time() * 1e9)
