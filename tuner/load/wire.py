"""The measured path: HTTP/1.1 over an asyncio.Protocol, stamped before anything is parsed.

A general client's stream reader is what spoils a measured tail (it wakes a task for every
chunk). Here `data_received` takes the time first, httptools splits the bytes, and what the
body means is read after the request has ended.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections import deque
from dataclasses import dataclass
from typing import Protocol

import httptools

from tuner.spec.address import Address
from tuner.spec.values import Outcome

SPARE_CONNECTIONS = 1
"""Connections opened ahead: some servers (llama.cpp's) close each one after a stream."""


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, ready to be sent."""

    method: str
    path: str
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "application/json"),)

    def encode(self, host: str) -> bytes:
        """Return the bytes of the request for `host`."""
        lines = [f"{self.method} {self.path} HTTP/1.1", f"Host: {host}"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        lines += [f"Content-Length: {len(self.body)}", "", ""]
        return "\r\n".join(lines).encode() + self.body


@dataclass(frozen=True, slots=True)
class Exchange:
    """What one request brought back, undecoded; of its headers those that say what came instead.

    `chunks` are (arrival in ns, body bytes). `outcome` speaks of HTTP alone: `ok` is a
    complete response of any status, `incomplete` one whose connection ended too early.
    """

    sent_ns: int
    end_ns: int
    connect_ns: int
    status: int | None
    chunks: tuple[tuple[int, bytes], ...]
    outcome: Outcome
    error: str | None = None
    content_type: str | None = None
    location: str | None = None

    @property
    def body(self) -> bytes:
        """Return the whole body."""
        return b"".join(data for _, data in self.chunks)


class Transport(Protocol):
    """Sends requests to one server. Two of them exist: real sockets, and a simulated world.

    `send` never raises for anything the server does and never repeats a request that the
    server may have seen; stamps come from one monotonic clock. `aclose` frees all sockets.
    """

    async def send(self, request: Request, timeout_s: float) -> Exchange:
        """Send one request and return all that came back."""
        ...

    async def aclose(self) -> None:
        """Close every connection."""
        ...


class Connection(asyncio.Protocol):
    """One kept-alive connection with at most one request in flight."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.lost = False
        self.used = False
        self._done: asyncio.Future[None] | None = None
        self._reset()

    def _reset(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._now = 0
        self._framed = False
        self._keep = True
        self.status: int | None = None
        self.chunks: list[tuple[int, bytes]] = []
        self.told: dict[bytes, str] = {}
        self.error: str | None = None
        self.complete = False

    # asyncio.Protocol
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Take the time, then let the parser split the bytes."""
        self._now = time.monotonic_ns()
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as broken:
            self._finish(f"malformed HTTP: {broken}")

    def connection_lost(self, exc: Exception | None) -> None:
        """End the request in flight; a body without a length ends here by rule (RFC 9112 6.3)."""
        self.lost = True
        if self._done is None or self._done.done():
            return
        if self.status is not None and not self._framed:
            self.complete = True
            self._finish(None)
        else:
            self._finish(f"connection closed by the server ({exc or 'end of stream'})")

    # httptools callbacks
    def on_header(self, name: bytes, value: bytes) -> None:
        """Note whether the body has an end of its own, what it is, and where to ask instead."""
        known = name.lower()
        if known in (b"content-length", b"transfer-encoding"):
            self._framed = True
        elif known in (b"content-type", b"location"):
            self.told[known] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """Note the status."""
        self.status = self._parser.get_status_code()
        self._keep = self._parser.should_keep_alive()

    def on_body(self, body: bytes) -> None:
        """Keep the bytes with the time at which they arrived."""
        self.chunks.append((self._now, body))

    def on_message_complete(self) -> None:
        """End the request, unless this was an interim response (1xx)."""
        if self.status is not None and self.status < 200:
            self.status = None
            return
        self.complete = True
        self._finish(None)

    def _finish(self, error: str | None) -> None:
        self.error = error
        if self._done is not None and not self._done.done():
            self._done.set_result(None)

    # used by HttpTransport
    @property
    def reusable(self) -> bool:
        """Tell whether another request may be sent here."""
        open_ = self.transport is not None and not self.transport.is_closing()
        return open_ and not self.lost and self._keep and self.error is None

    async def exchange(self, data: bytes, deadline: float) -> tuple[int, bool]:
        """Send `data` and wait for the end; return (time of sending in ns, in time)."""
        assert self.transport is not None
        self._reset()
        loop = asyncio.get_running_loop()
        done = self._done = loop.create_future()
        timer = loop.call_at(deadline, _give_up, done)
        sent_ns = time.monotonic_ns()
        self.transport.write(data)
        try:
            await done
        except TimeoutError:
            return sent_ns, False
        finally:
            timer.cancel()
            self.used = True
        return sent_ns, True

    def close(self) -> None:
        """Drop the connection now."""
        if self.transport is not None:
            self.transport.abort()


def _give_up(done: asyncio.Future[None]) -> None:
    if not done.done():
        done.set_exception(TimeoutError())


class HttpTransport:
    """Real sockets to one server: connections are kept, and one is opened ahead.

    A kept connection that the server closed before it saw the request costs no failure: the
    request goes out once more on a new one, its clock still running from the first try.
    """

    def __init__(self, address: Address) -> None:
        self.address = address
        self._tls = tls_context(address)
        self._idle: deque[Connection] = deque()
        self._opening: set[asyncio.Task[None]] = set()
        self._closing_server = False

    async def send(self, request: Request, timeout_s: float) -> Exchange:
        """Send one request and return all that came back; see `Transport`."""
        data = request.encode(self.address.authority)
        deadline = asyncio.get_running_loop().time() + timeout_s
        began = time.monotonic_ns()
        try:
            connection, connect_ns = await self._connection(deadline)
        except (OSError, TimeoutError) as refused:
            return _refused(began, refused)
        if self._closing_server:
            self._open_ahead()  # connects while this request is being answered
        reused = connection.used
        sent_ns, in_time = await connection.exchange(data, deadline)
        if reused and in_time and connection.lost and connection.status is None:
            return await self._send_afresh(data, deadline, sent_ns)
        return self._collect(connection, sent_ns, connect_ns, in_time)

    async def _send_afresh(self, data: bytes, deadline: float, sent_ns: int) -> Exchange:
        self._closing_server = True
        try:
            connection, connect_ns = await self._connection(deadline)
        except (OSError, TimeoutError) as refused:
            return _refused(sent_ns, refused)
        _, in_time = await connection.exchange(data, deadline)
        return self._collect(connection, sent_ns, connect_ns, in_time)

    def _collect(
        self, connection: Connection, sent_ns: int, connect_ns: int, in_time: bool
    ) -> Exchange:
        outcome: Outcome = "ok" if connection.complete else "incomplete"
        error = connection.error
        if not in_time:
            outcome, error = "timeout", "no complete answer within the time limit"
        exchange = Exchange(
            sent_ns,
            time.monotonic_ns(),
            connect_ns,
            connection.status,
            tuple(connection.chunks),
            outcome,
            error,
            connection.told.get(b"content-type"),
            connection.told.get(b"location"),
        )
        if in_time and connection.reusable and not self._closing_server:
            self._idle.append(connection)
        else:
            connection.close()
        return exchange

    async def _connection(self, deadline: float) -> tuple[Connection, int]:
        while self._idle:
            connection = self._idle.popleft()
            if connection.reusable:
                return connection, 0
            self._closing_server = True
            connection.close()
        return await self._connect(deadline)

    async def _connect(self, deadline: float) -> tuple[Connection, int]:
        began = time.monotonic_ns()
        loop = asyncio.get_running_loop()
        async with asyncio.timeout_at(deadline):
            _, connection = await loop.create_connection(
                Connection, self.address.host, self.address.port, ssl=self._tls
            )
        return connection, time.monotonic_ns() - began

    def _open_ahead(self) -> None:
        if len(self._idle) + len(self._opening) < SPARE_CONNECTIONS:
            task = asyncio.get_running_loop().create_task(self._open_spare())
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    async def _open_spare(self) -> None:
        try:
            connection, _ = await self._connect(asyncio.get_running_loop().time() + 1.0)
        except (OSError, TimeoutError):
            return  # the request that needs it will meet the failure and report it
        self._idle.append(connection)

    async def aclose(self) -> None:
        """Close every connection."""
        for task in tuple(self._opening):
            task.cancel()
        await asyncio.gather(*self._opening, return_exceptions=True)
        while self._idle:
            self._idle.pop().close()
        await asyncio.sleep(0)


def tls_context(address: Address) -> ssl.SSLContext | None:
    """Return how a server's certificate is checked, None where it is asked for none."""
    if not address.secure:
        return None
    context = ssl.create_default_context(cafile=address.ca_file)
    if not address.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _refused(began_ns: int, error: Exception) -> Exchange:
    now = time.monotonic_ns()
    outcome: Outcome = "timeout" if isinstance(error, TimeoutError) else "error"
    return Exchange(began_ns, now, now - began_ns, None, (), outcome, f"cannot connect: {error}")
