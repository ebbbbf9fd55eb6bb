"""One connection of the measured path: an asyncio.Protocol, stamped before anything is parsed.

The stream reader of a general client wakes a task for every chunk, which spoils a measured tail.
Here `data_received` takes the time first and httptools splits the bytes. The body is read after
the request has ended; until then only its last line is looked for.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from typing import TypeAlias

import httptools

LastLine: TypeAlias = Callable[[bytes], bool]
"""Tells whether a line of a body is its last one."""

_LINE_END = re.compile(rb"[\r\n]+")


class Connection(asyncio.Protocol):
    """One kept-alive connection with at most one request in flight.

    A body is `pending` until HTTP's rules end it, which may be after the request has ended;
    `on_end` is called then.
    """

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.lost = False
        self.used = False
        self.pending = False
        self.on_end: Callable[[Connection], None] | None = None
        self._done: asyncio.Future[None] | None = None
        self._reset()

    def _reset(self, is_last: LastLine | None = None) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._is_last = is_last
        self._line = b""
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
        self._end_body()
        if self._done is None or self._done.done():
            return
        if self.status is not None and not self._framed:
            self.complete = True
            self._finish(None)
        else:
            self._finish(f"connection closed by the server ({exc or 'end of stream'})")

    # httptools callbacks
    def on_header(self, name: bytes, value: bytes) -> None:
        """Note whether the body has a known length, its type, and where a redirect points."""
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
        """Keep the bytes with the time at which they arrived; the last line ends the request."""
        self.chunks.append((self._now, body))
        if self._is_last is not None:
            *lines, self._line = _LINE_END.split(self._line + body)
            if any(map(self._is_last, (*lines, self._line))):
                self._is_last = None
                self.complete = True
                self._finish(None)

    def on_message_complete(self) -> None:
        """End the request, unless this was an interim response (1xx)."""
        if self.status is not None and self.status < 200:
            self.status = None
            return
        self.complete = True
        self._finish(None)
        self._end_body()

    def _end_body(self) -> None:
        self.pending = False
        if self.on_end is not None:
            self.on_end(self)

    def _finish(self, error: str | None) -> None:
        self.error = error
        if self._done is not None and not self._done.done():
            self._done.set_result(None)

    # used by HttpTransport
    @property
    def reusable(self) -> bool:
        """Tell whether another request may be sent here."""
        open_ = self.transport is not None and not self.transport.is_closing()
        return open_ and not (self.lost or self.pending) and self._keep and self.error is None

    async def exchange(
        self, data: bytes, deadline: float, is_last: LastLine | None
    ) -> tuple[int, bool]:
        """Send `data` and wait for the end; return (time of sending in ns, in time)."""
        assert self.transport is not None
        self._reset(is_last)
        self.pending = True
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
