"""Loads driven against the paced server, whose stamps say what really happened."""

from __future__ import annotations

import asyncio
import itertools
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from tuner.engines.openai.engine import OpenAI
from tuner.load.arrivals import Call
from tuner.load.drive import Driven, drive
from tuner.load.wire import HttpTransport, Request
from tuner.spec.address import Address, url
from tuner.spec.values import Load, Message, Prompt, Sample
from tuner.testing.paced_server import Stamps, read_stamps, running


@dataclass(frozen=True, slots=True)
class Held:
    """What the client reports, and the server's stamps of the same requests in its order."""

    driven: Driven
    stamps: tuple[Stamps, ...]


def calls(engine: OpenAI) -> Iterator[Call]:
    """Yield calls without end, no two alike."""
    for i in itertools.count():
        prompt = Prompt(str(i), "t", "k", (Message("user", f"say {i}"),))
        yield Call(prompt, engine.request(prompt.messages, {}, None))


def held(
    load: Load, n: int, *options: str, stop: Callable[[Sample], bool] = lambda sample: False
) -> Held:
    """Drive n requests against a paced server with these options."""
    with running("--ttft-ms", "5", "--itl-ms", "1", "--tokens", "4", *options) as port:
        return asyncio.run(_held(port, load, n, stop))


async def _held(port: int, load: Load, n: int, stop: Callable[[Sample], bool]) -> Held:
    engine = OpenAI(url(f"http://127.0.0.1:{port}"), "default")
    sent = list(itertools.islice(calls(engine), n))
    transport = HttpTransport(Address("127.0.0.1", port))
    driven = await drive(iter(sent), load, transport, engine.read, engine_start=1, stop=stop,
                         rng=np.random.default_rng(5))  # fmt: skip
    told = await transport.send(Request("GET", "/stamps"), 10.0)
    await transport.aclose()
    by_key = {s.key: s for s in read_stamps(told.body)[1]}
    keys = {call.prompt.id: zlib.crc32(call.request.body) for call in sent}
    return Held(driven, tuple(by_key[keys[s.prompt_id]] for s in driven.samples))
