"""Send a load from several client processes, where one cannot keep up.

`tune` plans every arrival and hands calls out in turn; `tuner.load.worker` sends them and
returns samples. Stamps are of the machine's monotonic clock, which all processes share. A
process that loses its pipe ends, so none outlives `tune`.
"""

from __future__ import annotations

import asyncio
import itertools
import pickle
import struct
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, NoReturn, Protocol

from tuner.load.arrivals import Call
from tuner.load.issue import Job
from tuner.spec.address import Address
from tuner.spec.errors import ClientDied
from tuner.spec.values import Load, Sample

AHEAD_S = 1.0
"""How long before its time a call is handed to its process."""

Plan = Iterator[tuple[Call, float | None]]


class Run(Protocol):
    """Takes samples, and tells when that is enough."""

    stopped: bool

    def done(self, sample: Sample) -> None:
        """Take one sample."""
        ...


async def by_processes(plan: Plan, job: Job, address: Address, run: Run) -> tuple[int, float]:
    """Send the plan's calls from `client_processes` processes.

    Returns when the sending began, in ns, and the CPU seconds that the processes used.
    Raises ClientDied when one of them ends before its work does.
    """
    shares = [replace(job, load=load) for load in _shares(job)]
    async with _started(len(shares)) as clients:
        for client, share in zip(clients, shares, strict=True):
            await client.begin(share, address)
        began_ns = time.monotonic_ns()
        try:
            return began_ns, await _handed_out(plan, clients, shares, run, began_ns)
        except* ClientDied as died:
            first = died.exceptions[0]
    raise first


async def _handed_out(
    plan: Plan, clients: list[Client], shares: list[Job], run: Run, began_ns: int
) -> float:
    """Hand the plan's calls to the clients and take samples; return the CPU seconds they used."""
    async with asyncio.TaskGroup() as tasks:
        collecting = [tasks.create_task(c.collect(run)) for c in clients]
        if shares[0].load.open_loop:
            tasks.create_task(_on_time(plan, clients, run, began_ns))
        else:
            for client, share in zip(clients, shares, strict=True):
                tasks.create_task(client.keep_busy(plan, share.load.concurrency, run))
    return sum(task.result() for task in collecting)


def _shares(job: Job) -> list[Load]:
    """Return the load of each process: a closed loop's requests in flight are divided."""
    load, n = job.load, job.load.client_processes
    if load.open_loop:
        return [load] * n
    sizes = [load.concurrency // n + (i < load.concurrency % n) for i in range(n)]
    return [replace(load, concurrency=size) for size in sizes if size]


async def _on_time(plan: Plan, clients: list[Client], run: Run, began_ns: int) -> None:
    """Hand calls out in turn, a little before they are to be sent."""
    turns = itertools.cycle(clients)
    for call, offset_s in plan:
        at_ns = began_ns + int((offset_s or 0.0) * 1e9)
        while (early_s := (at_ns - time.monotonic_ns()) / 1e9 - AHEAD_S) > 0 and not run.stopped:
            await asyncio.sleep(min(early_s, 0.1))
        if run.stopped:
            break
        await next(turns).put(call, at_ns)
    for client in clients:
        await client.end(drop=run.stopped)


class Client:
    """One client process and the pipes to it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._returned = asyncio.Event()
        self._waiting = 0

    async def begin(self, job: Job, address: Address) -> None:
        """Tell it what to do, and wait until it is ready."""
        await self._tell((job, address))
        await self._hear()

    async def put(self, call: Call, at_ns: int | None) -> None:
        """Hand it a call."""
        self._waiting += 1
        await self._tell((call, at_ns))

    async def end(self, *, drop: bool) -> None:
        """Tell it that no more calls come; with `drop`, not to send those it still holds."""
        await self._tell(drop)

    async def keep_busy(self, plan: Plan, concurrency: int, run: Run) -> None:
        """Hand it calls so that it always holds one more for each request in flight."""
        while not run.stopped and (given := next(plan, None)) is not None:
            await self.put(given[0], None)
            while self._waiting >= 2 * concurrency and not run.stopped:
                self._returned.clear()
                await self._returned.wait()
        await self.end(drop=run.stopped)

    async def collect(self, run: Run) -> float:
        """Take samples until the process is done; return the CPU seconds that it used."""
        while isinstance(heard := await self._hear(), Sample):
            self._waiting -= 1
            run.done(heard)
            self._returned.set()
        return float(heard)

    async def _tell(self, message: object) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(packed(message))
            await self._process.stdin.drain()
        except ConnectionError:
            await self._died()

    async def _hear(self) -> Any:
        assert self._process.stdout is not None
        try:
            return await unpacked(self._process.stdout)
        except asyncio.IncompleteReadError:
            await self._died()

    async def _died(self) -> NoReturn:
        code = await self._process.wait()
        raise ClientDied(f"a client process ended with code {code} in the middle of a measurement")


@asynccontextmanager
async def _started(count: int) -> AsyncIterator[list[Client]]:
    """Start client processes, and leave none behind."""
    command = [sys.executable, "-m", "tuner.load.worker"]
    pipe = asyncio.subprocess.PIPE
    processes = [
        # a session of its own: Ctrl-C is for `tune`, which then closes the pipe
        await asyncio.create_subprocess_exec(
            *command, stdin=pipe, stdout=pipe, start_new_session=True
        )
        for _ in range(count)
    ]
    try:
        yield [Client(p) for p in processes]
    finally:
        for process in processes:
            if process.returncode is None:
                process.kill()
            await process.wait()


def packed(message: object) -> bytes:
    """Return a message as it goes through a pipe: its length in four bytes, then a pickle."""
    data = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    return struct.pack("!I", len(data)) + data


async def unpacked(reader: asyncio.StreamReader) -> Any:
    """Return the next message from a pipe of ours; raise IncompleteReadError at its end."""
    (length,) = struct.unpack("!I", await reader.readexactly(4))
    return pickle.loads(await reader.readexactly(length))
