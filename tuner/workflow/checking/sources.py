"""Where what is watched comes from: requests of our own, or the server's own counters."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from tuner.engines.base import CountsLatencies, Engine
from tuner.evaluate.counted import Counted
from tuner.evaluate.sampled import Sampled
from tuner.evaluate.watched import Record
from tuner.load.drive import drive
from tuner.load.samples import to_line
from tuner.spec.errors import EngineDied, InputError, OutputError
from tuner.spec.study import Study
from tuner.spec.values import Arrivals, Candidate, Prompt, Sample
from tuner.store.run_folder import writing
from tuner.workflow.checking.check import fresh_prompts
from tuner.workflow.checking.serving import Serving
from tuner.workflow.measuring.answers import Answers
from tuner.workflow.measuring.calls import calls_of

RATE = 0.2
"""Requests a second that a watch sends: production serves beside it."""

SAMPLES = "samples.jsonl"


@dataclass(frozen=True, slots=True)
class Collecting:
    """A record that grows while `work` goes on; `stop` ends that, which takes up to `end_s`."""

    record: Record
    work: asyncio.Task[None]
    stop: asyncio.Event
    end_s: float

    async def until(self, at_s: float) -> None:
        """Wait until a time of the event loop; raise what ended the work before it."""
        left_s = max(0.0, at_s - asyncio.get_running_loop().time())
        done, _ = await asyncio.wait({self.work}, timeout=left_s)
        for ended in done:
            ended.result()

    async def ended(self) -> None:
        """Wait until what was begun is known to its end."""
        self.stop.set()
        await self.until(asyncio.get_running_loop().time() + self.end_s)


class Source(Protocol):
    """Collects what is known of a server while a context lasts."""

    def collecting(self) -> AbstractAsyncContextManager[Collecting]:
        """Begin, or raise EngineError where nothing answers."""
        ...

    def adds(self) -> str:
        """Say how much it adds to what the server has to do."""
        ...


@dataclass(frozen=True, slots=True)
class Probe:
    """The `Source` that sends requests as clients do, at a low rate, in open loop.

    Each sample is written to `folder` as it comes in, where there is one.
    """

    study: Study
    engine: Engine
    sent: Candidate
    folder: Path | None

    @classmethod
    def of(cls, serves: Serving, folder: Path | None, rate: float = RATE) -> Probe:
        """Return the probe of what serves, at so many requests a second."""
        workload = serves.study.workload
        own = workload.load.arrivals
        arrivals: Arrivals = "poisson" if own == "trace" else own
        load = replace(workload.load, rate=rate, arrivals=arrivals, client_processes=1)
        study = replace(serves.study, workload=replace(workload, load=load))
        return cls(study, serves.engine, serves.sent, folder)

    def adds(self) -> str:
        """Say how many requests it sends, and how many of them there can be at once."""
        load = self.study.workload.load
        most = max(1, round((load.rate or 0.0) * load.timeout_s))
        return (
            f"it adds {load.rate:g} requests/s; were none answered, about {most} would be in "
            f"flight, since each ends after {load.timeout_s:g} s"
        )

    @contextlib.asynccontextmanager
    async def collecting(self) -> AsyncIterator[Collecting]:
        """Send requests until the context ends."""
        effective = await self.engine.apply(self.sent)
        with _samples_file(self.folder) as write:
            record, stop = Sampled(self.study), asyncio.Event()
            work = self._send(record, stop, write, effective.engine_start)
            end_s = self.study.workload.load.timeout_s
            try:
                async with _working(record, work, stop, end_s) as collecting:
                    yield collecting
            finally:
                await self.engine.aclose()

    async def _send(
        self,
        record: Sampled,
        stop: asyncio.Event,
        write: Callable[[Sample], None],
        start: int,
    ) -> None:
        study, answers = self.study, Answers(self.study.workload.schema)
        transport, failed = self.engine.transport(), list[OutputError]()

        def prompts() -> Iterator[Prompt]:
            for prompt in answers.noting(fresh_prompts(study)):
                record.asked(prompt.id)
                yield prompt

        def take(sample: Sample) -> bool:
            found = answers.classified(sample)
            record.add(found)
            try:
                write(found)
            except OutputError as error:  # raised when those in flight are back
                failed.append(error)
            return stop.is_set() or bool(failed)

        calls = calls_of(study, self.engine, self.sent, prompts())
        rng = np.random.default_rng(study.seed)
        try:
            await drive(
                calls, study.workload.load, transport, self.engine.read,
                engine_start=start, stop=take, rng=rng,
            )  # fmt: skip
        finally:
            await transport.aclose()
        for error in failed:
            raise error


@dataclass(frozen=True, slots=True)
class Counters:
    """The `Source` that reads what a server counts of all requests, and sends none."""

    study: Study
    engine: Engine
    every_s: float

    def adds(self) -> str:
        """Say that it sends nothing."""
        return f"it sends no request, and reads the server's counters every {self.every_s:g} s"

    @contextlib.asynccontextmanager
    async def collecting(self) -> AsyncIterator[Collecting]:
        """Read counters until the context ends; raise InputError for a server that has none."""
        engine = self.engine
        if not isinstance(engine, CountsLatencies):
            raise InputError(
                f"--counters: a server of engine {engine.name} does not tell how long its requests "
                "took; leave it out, and requests are sent"
            )
        record, stop = Counted(self.study), asyncio.Event()
        await self._first(engine, record)
        work = self._read(engine, record, stop)
        async with _working(record, work, stop, self.every_s) as collecting:
            yield collecting

    async def _first(self, engine: CountsLatencies, record: Counted) -> None:
        page = await engine.latency_counts()
        if page is None:
            where = self.study.url
            raise EngineDied(
                f"--counters: {where} has no page of metrics that tells how long requests took; "
                "start it with metrics, or leave --counters out, and requests are sent"
            )
        record.add(asyncio.get_running_loop().time(), page)

    async def _read(self, engine: CountsLatencies, record: Counted, stop: asyncio.Event) -> None:
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), self.every_s)
            page = await engine.latency_counts()
            record.add(asyncio.get_running_loop().time(), page)


@contextlib.asynccontextmanager
async def _working(
    record: Record, work: Coroutine[Any, Any, None], stop: asyncio.Event, end_s: float
) -> AsyncIterator[Collecting]:
    """Do the work beside the context, and end it with that."""
    task = asyncio.create_task(work)
    try:
        yield Collecting(record, task, stop, end_s)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@contextlib.contextmanager
def _samples_file(folder: Path | None) -> Iterator[Callable[[Sample], None]]:
    """Give what writes a sample at once, so that nothing is lost however a watch ends."""
    if folder is None:
        yield lambda sample: None
        return
    path = folder / SAMPLES
    with writing(path):
        file = path.open("a", encoding="utf-8", errors="backslashreplace", buffering=1)

    def write(sample: Sample) -> None:
        with writing(path):
            file.write(to_line(sample) + "\n")

    try:
        yield write
    finally:
        with writing(path):
            file.close()
