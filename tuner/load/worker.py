"""A client process: takes calls from its input, sends them, and writes samples to its output.

    python -m tuner.load.worker

The messages are those of `tuner.load.processes`. It reads the job and the server first, then
calls, and at last whether to drop the calls that were not sent. It writes samples, and at last the
CPU time that it used.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time

from tuner.load.arrivals import Call
from tuner.load.issue import issue
from tuner.load.processes import packed, unpacked
from tuner.load.wire import HttpTransport
from tuner.spec.values import Sample


async def _work() -> None:
    reader = await _input()
    job, address = await unpacked(reader)
    calls: asyncio.Queue[tuple[Call, int | None] | None] = asyncio.Queue()
    taking = asyncio.create_task(_take(reader, calls))
    _tell("ready")
    transport, cpu_s = HttpTransport(address), time.process_time()

    async def source() -> tuple[Call, int | None] | None:
        given = await calls.get()
        if given is None:
            calls.put_nowait(None)  # for whoever asks next
        elif given[1] is not None:
            await asyncio.sleep(given[1] / 1e9 - time.monotonic())
        return given

    await issue(source, job, transport, _tell)
    await transport.aclose()
    _tell(time.process_time() - cpu_s)
    taking.cancel()


async def _input() -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    return reader


async def _take(
    reader: asyncio.StreamReader, calls: asyncio.Queue[tuple[Call, int | None] | None]
) -> None:
    """Queue what is to be sent; end with the process that says so."""
    with contextlib.suppress(asyncio.IncompleteReadError):
        while not isinstance(given := await unpacked(reader), bool):
            calls.put_nowait(given)
        while given and not calls.empty():
            calls.get_nowait()
        calls.put_nowait(None)
        await reader.read()
    os._exit(1)  # `tune` is gone: nobody wants the rest


def _tell(message: Sample | str | float) -> None:
    sys.stdout.buffer.write(packed(message))
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    asyncio.run(_work())
