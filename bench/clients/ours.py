"""The client of the tuner alone: `tuner.load.drive` with the reader of its engines."""

from __future__ import annotations

import asyncio
import zlib

from bench.clients import asked, calls, tell
from tuner.engines.serving.chat import read_chat
from tuner.load.drive import Driven, drive
from tuner.load.wire import Address, HttpTransport
from tuner.spec.values import Load


async def _driven(url: str, load: Load, requests: int) -> Driven:
    host, port = url.removeprefix("http://").split(":")
    transport = HttpTransport(Address(host, int(port)))
    try:
        return await drive(calls(requests), load, transport, read_chat, engine_start=1)
    finally:
        await transport.aclose()


def main() -> None:
    """Send what is asked for."""
    url, load, requests, file = asked()
    found = asyncio.run(_driven(url, load, requests))
    keys = {c.prompt.id: zlib.crc32(c.request.body) for c in calls(requests)}
    tell(file, (
        {"key": keys[s.prompt_id], "ttft_s": s.latency_s("ttft", scheduled=load.open_loop),
         "e2e_s": s.latency_s("e2e", scheduled=load.open_loop)}
        for s in found.samples
    ))  # fmt: skip


if __name__ == "__main__":
    main()
