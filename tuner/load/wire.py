"""The measured path: requests over connections that are kept, or opened ahead."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections import deque
from dataclasses import dataclass
from typing import Protocol

from tuner.load.connection import Connection, LastLine
from tuner.spec.address import Address
from tuner.spec.values import Outcome

SPARE_CONNECTIONS = 1
"""Connections opened ahead: some servers (llama.cpp's) close each one after a stream."""

LINGER_S = 0.25
"""A body may end so long after its last line for its connection to be used again."""


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, ready to be sent.

    `is_last` tells whether a line is the last one of the body, so that nobody waits for a server
    that keeps the body open. It has to be a function that another process can import.
    """

    method: str
    path: str
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "application/json"),)
    is_last: LastLine | None = None

    def encode(self, host: str) -> bytes:
        """Return the bytes of the request for `host`."""
        lines = [f"{self.method} {self.path} HTTP/1.1", f"Host: {host}"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        lines += [f"Content-Length: {len(self.body)}", "", ""]
        return "\r\n".join(lines).encode() + self.body


@dataclass(frozen=True, slots=True)
class Exchange:
    """What one request brought back, undecoded, with the headers that explain a wrong answer.

    `chunks` are (arrival in ns, body bytes). `outcome` speaks of HTTP alone: `ok` is a
    complete response of any status, or one whose last line came; `incomplete` one whose
    connection ended before.
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


class HttpTransport:
    """Real sockets to one server: connections are kept, and one is opened ahead.

    Where the server closed a kept connection before it saw the request, the request is sent once
    more on a new connection. Its clock runs on from the first try.
    """

    def __init__(self, address: Address) -> None:
        self.address = address
        self._tls = tls_context(address)
        self._idle: deque[Connection] = deque()
        self._lingering: set[Connection] = set()
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
        sent_ns, in_time = await connection.exchange(data, deadline, request.is_last)
        if reused and in_time and connection.lost and connection.status is None:
            return await self._send_afresh(request, data, deadline, sent_ns)
        return self._collect(connection, sent_ns, connect_ns, in_time)

    async def _send_afresh(
        self, request: Request, data: bytes, deadline: float, sent_ns: int
    ) -> Exchange:
        self._closing_server = True
        try:
            connection, connect_ns = await self._connection(deadline)
        except (OSError, TimeoutError) as refused:
            return _refused(sent_ns, refused)
        _, in_time = await connection.exchange(data, deadline, request.is_last)
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
        if in_time and connection.complete and connection.pending:
            self._linger(connection)
        elif in_time and connection.reusable and not self._closing_server:
            self._idle.append(connection)
        else:
            connection.close()
        return exchange

    def _linger(self, connection: Connection) -> None:
        """Let the server end a body whose last line came, and use the connection again."""
        self._lingering.add(connection)
        connection.on_end = self._settle
        asyncio.get_running_loop().call_later(LINGER_S, self._settle, connection)

    def _settle(self, connection: Connection) -> None:
        if connection not in self._lingering:
            return
        self._lingering.discard(connection)
        connection.on_end = None
        self._closing_server |= not connection.reusable
        if self._closing_server:
            connection.close()
        else:
            self._idle.append(connection)

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
        for connection in self._lingering:
            connection.on_end = None
            connection.close()
        self._lingering.clear()
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
