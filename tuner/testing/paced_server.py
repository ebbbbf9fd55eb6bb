"""PacedServer: a real process whose every token has a known time of departure.

    python -m tuner.testing.paced_server --ttft-ms 40 --itl-ms 5 --tokens 32

It answers any POST with a stream of chat completion chunks, each written at an absolute
deadline and stamped just before the write, on the clock that clients on the same machine
read (CLOCK_MONOTONIC). What a client reports is held against these stamps. `--help` lists
how it can misbehave.

GET /stamps returns what it stamped, DELETE /stamps forgets it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
import sys
import time
import zlib
from collections import deque
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from typing import Any

import httptools

from tuner.testing import serving
from tuner.testing.fake_wire import dumps
from tuner.testing.options import add_options
from tuner.testing.paced_plan import Options, Script, finished_s, script, ttfts_s

MAX_STAMPS = 1_000_000
BACKLOG = 1024


@dataclass(slots=True)
class Stamps:
    """One request as the server saw it; times in ns, `due` ones as planned.

    `key` is the CRC-32 of the request's body, by which a client finds its own request.
    `last_ns` is None for an answer that was not sent to its end.
    """

    key: int
    status: int
    arrival_ns: int
    first_due_ns: int | None = None
    first_ns: int | None = None
    last_due_ns: int | None = None
    last_ns: int | None = None


class Server:
    """What all connections share: the plan, the clock, and the stamps."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.origin_ns = time.monotonic_ns()
        self.stamps: deque[Stamps] = deque(maxlen=MAX_STAMPS)
        self.open = 0
        self._asked = 0
        self._ttfts = ttfts_s(options)
        self._whole = script(options)

    def next_script(self) -> tuple[Script, float]:
        """Return the script of the next answer and its time to the first token in seconds."""
        self._asked += 1
        odd = self.options.cut_every or self.options.error_every
        return script(self.options, self._asked) if odd else self._whole, next(self._ttfts)

    def due_s(self, arrival_ns: int, work_s: float) -> float:
        """Return the instant, on the event loop's clock, at which a piece of work is done."""
        begun_s = (arrival_ns - self.origin_ns) / 1e9
        return finished_s(self.options, begun_s, work_s) + self.origin_ns / 1e9


class Connection(asyncio.Protocol):
    """One client; requests on it are answered one after the other."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._url, self._body, self._now = b"", b"", 0
        self._timer: asyncio.TimerHandle | None = None
        self._streaming = False

    # asyncio.Protocol
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Take the time, then let the parser split the bytes."""
        self._now = time.monotonic_ns()
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop a stream that nobody reads any more."""
        if self._timer is not None:
            self._timer.cancel()
        self._ended()

    # httptools
    def on_message_begin(self) -> None:
        """Forget the request before."""
        self._url, self._body = b"", b""

    def on_url(self, url: bytes) -> None:
        """Keep the target."""
        self._url += url

    def on_body(self, body: bytes) -> None:
        """Keep the body."""
        self._body += body

    def on_message_complete(self) -> None:
        """Answer."""
        method, server = self._parser.get_method(), self._server
        if method == b"POST":
            self._chat()
        elif self._url.startswith(b"/stamps"):
            self._reply(200, _document(server))
            if method == b"DELETE":
                server.stamps.clear()
        else:  # GET /v1/models, /health and whatever else a client looks at first
            model = {"id": "paced", "object": "model", "created": 1, "owned_by": "tuner"}
            self._reply(200, {"object": "list", "data": [model]})

    def _chat(self) -> None:
        server = self._server
        busy = 0 < server.options.busy_above <= server.open
        stamps = Stamps(zlib.crc32(self._body), 503 if busy else 200, self._now)
        server.stamps.append(stamps)
        if busy:
            self._reply(503, {"error": {"message": "too many streams", "type": "unavailable"}})
            return
        server.open += 1
        self._streaming = True
        planned, ttft_s = server.next_script()
        self._send(planned, ttft_s, stamps, 0)

    def _send(self, planned: Script, ttft_s: float, stamps: Stamps, place: int) -> None:
        """Write the piece that is due, and plan the next."""
        loop, itl_s = asyncio.get_running_loop(), self._server.options.itl_ms / 1e3
        while place < len(planned.pieces):
            piece = planned.pieces[place]
            work_s = piece.share * ttft_s + piece.steps * itl_s
            due_s = self._server.due_s(stamps.arrival_ns, work_s)
            if due_s > loop.time():
                self._timer = loop.call_at(due_s, self._send, planned, ttft_s, stamps, place)
                return
            self._write(piece.data, piece.token, due_s, stamps)
            place += 1
        self._ended()
        if planned.then == "cut":
            stamps.last_ns = stamps.last_due_ns = None
            self._close()

    def _write(self, data: bytes, token: bool, due_s: float, stamps: Stamps) -> None:
        assert self._transport is not None
        if token:
            stamps.last_ns, stamps.last_due_ns = time.monotonic_ns(), int(due_s * 1e9)
            if stamps.first_ns is None:
                stamps.first_ns, stamps.first_due_ns = stamps.last_ns, stamps.last_due_ns
        self._transport.write(data)

    def _ended(self) -> None:
        self._server.open -= self._streaming
        self._streaming = False

    def _reply(self, status: int, document: object) -> None:
        assert self._transport is not None
        body = dumps(document)
        head = f"HTTP/1.1 {status} {'OK' if status == 200 else 'Service Unavailable'}\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self._transport.write(head.encode() + body)

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.abort()


def _document(server: Server) -> dict[str, Any]:
    return {"cpu_s": time.process_time(), "stamps": [astuple(s) for s in server.stamps]}


def read_stamps(document: bytes) -> tuple[float, list[Stamps]]:
    """Return (CPU seconds the server has used so far, its stamps) from what GET /stamps gave."""
    found = json.loads(document)
    return float(found["cpu_s"]), [Stamps(*s) for s in found["stamps"]]


async def _run(options: Options, port: int) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    shared = Server(options)
    listening = await loop.create_server(
        lambda: Connection(shared), "127.0.0.1", port, backlog=BACKLOG
    )
    address, port = listening.sockets[0].getsockname()
    print(f"listening on http://{address}:{port}", flush=True)
    await stop.wait()
    listening.close()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="paced_server", description=__doc__.split("\n\n")[0])
    parser.add_argument("--port", type=int, default=0)
    add_options(parser, Options)
    return parser


def main() -> int:
    """Serve until told to stop."""
    given = vars(_parser().parse_args())
    port = given.pop("port")
    asyncio.run(_run(Options(**given), port))
    return 0


@contextlib.contextmanager
def running(*words: str) -> Iterator[int]:
    """Run a paced server with these options; yield its port; end it in any case."""
    command = [sys.executable, "-m", "tuner.testing.paced_server", *words]
    with serving.running(command) as (_, port):
        yield port


if __name__ == "__main__":
    sys.exit(main())
