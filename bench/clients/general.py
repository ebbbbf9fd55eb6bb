"""A general HTTP client used as well as it allows: aiohttp, stamped before anything is parsed.

Without a connection limit, one session, the collector off: what is left is its stream reader.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import time
import zlib
from collections.abc import Iterator
from typing import Any

import aiohttp
import numpy as np

from bench.clients import asked, calls, tell
from tuner.load.arrivals import Call, planned
from tuner.spec.values import Load


async def _one(
    session: aiohttp.ClientSession, url: str, call: Call, from_ns: int
) -> dict[str, Any]:
    stamped: list[tuple[int, bytes]] = []
    request = call.request
    begun_ns = from_ns or time.monotonic_ns()
    headers = dict(request.headers)
    async with session.post(url + request.path, data=request.body, headers=headers) as response:
        async for data in response.content.iter_any():
            stamped.append((time.monotonic_ns(), data))
    spoken = [at for at, data in stamped if b'"content"' in data and _says(data)]
    took = ((spoken[0] - begun_ns) / 1e9, (spoken[-1] - begun_ns) / 1e9)
    return {"key": zlib.crc32(request.body), "ttft_s": took[0], "e2e_s": took[1]}


def _says(data: bytes) -> bool:
    """Parse the frames, as whoever wants the answer has to."""
    frames = (line[6:] for line in data.split(b"\n") if line.startswith(b"data: {"))
    choices = itertools.chain.from_iterable(json.loads(f)["choices"] for f in frames)
    return any(c["delta"].get("content") for c in choices)


async def _driven(url: str, load: Load, requests: int) -> list[dict[str, Any]]:
    everything = calls(requests)
    connector = aiohttp.TCPConnector(limit=0, limit_per_host=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        if load.open_loop:
            return await _open(session, url, load, everything)
        return await _closed(session, url, load, everything)


async def _closed(
    session: aiohttp.ClientSession, url: str, load: Load, everything: Iterator[Call]
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []

    async def in_turn() -> None:
        for call in everything:
            rows.append(await _one(session, url, call, 0))

    async with asyncio.TaskGroup() as tasks:
        for _ in range(load.concurrency):
            tasks.create_task(in_turn())
    return rows


async def _open(
    session: aiohttp.ClientSession, url: str, load: Load, everything: Iterator[Call]
) -> list[dict[str, Any]]:
    start_s, sent = time.monotonic(), []
    async with asyncio.TaskGroup() as tasks:
        for call, offset_s in planned(everything, load, np.random.default_rng(0)):
            await asyncio.sleep(start_s + offset_s - time.monotonic())
            from_ns = int((start_s + offset_s) * 1e9)
            sent.append(tasks.create_task(_one(session, url, call, from_ns)))
    return [task.result() for task in sent]


def main() -> None:
    """Send what is asked for."""
    url, load, requests, file = asked()
    gc.disable()
    tell(file, asyncio.run(_driven(url, load, requests)))


if __name__ == "__main__":
    main()
