"""The HTTP client against real sockets: every way a response can be framed or broken."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from tuner.engines.ollama.chat import ends_frames
from tuner.load import wire
from tuner.load.sse import ends_events
from tuner.load.wire import Exchange, HttpTransport, Request
from tuner.spec.address import Address

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
REQUEST = Request("POST", "/x", b"{}")
STREAM = Request("POST", "/x", b"{}", is_last=ends_events)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"


async def _read_request(reader: asyncio.StreamReader) -> bool:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return False
    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    await reader.readexactly(length)
    return True


def exchanges(
    handler: Handler,
    count: int = 1,
    timeout_s: float = 5.0,
    request: Request = REQUEST,
) -> list[Exchange]:
    """Send `count` requests one after the other to a server with this handler."""

    async def guarded(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handler(reader, writer)
        finally:
            writer.close()

    async def work() -> list[Exchange]:
        server = await asyncio.start_server(guarded, "127.0.0.1", 0)
        async with server:
            transport = HttpTransport(Address("127.0.0.1", server.sockets[0].getsockname()[1]))
            found = []
            for _ in range(count):
                found.append(await transport.send(request, timeout_s))
                await asyncio.sleep(0.002)
            await transport.aclose()
            return found

    return asyncio.run(work())


def replying(*pieces: bytes, close: bool = True) -> Handler:
    """Return a handler that answers each request with these pieces."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await _read_request(reader):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)
            if close:
                return

    return handler


@pytest.mark.parametrize("response", [OK, CHUNKED], ids=["plain", "chunked"])
def test_a_kept_connection_is_used_again(response: bytes) -> None:
    """The second request on a keep-alive server pays no connect time."""
    first, second = exchanges(replying(response, close=False), 2)

    assert first.body == second.body == b"ok"
    assert first.connect_ns > 0
    assert second.connect_ns == 0


def test_a_body_without_a_length_ends_with_the_connection() -> None:
    """HTTP's oldest framing: what arrived until the close is the body, and complete."""
    (found,) = exchanges(replying(b"HTTP/1.1 200 OK\r\n\r\n", b"old"))

    assert (found.outcome, found.body) == ("ok", b"old")


@given(st.integers(1, 12))
def test_heads_and_bodies_may_be_split_anywhere(size: int) -> None:
    """A response cut into pieces of any size is the same response."""
    pieces = [CHUNKED[i : i + size] for i in range(0, len(CHUNKED), size)]

    (found,) = exchanges(replying(*pieces))

    assert (found.status, found.body, found.outcome) == (200, b"ok", "ok")


def test_servers_that_close_after_each_answer_cost_no_failure() -> None:
    """A server that announces keep-alive and closes: every request is served, later ones warm."""
    found = exchanges(replying(CHUNKED), 8)

    assert [e.outcome for e in found] == ["ok"] * 8
    assert found[-1].connect_ns == 0


DONE = b"data: 1\n\ndata: [DONE]\n\n"
OPEN = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def _stays_open(*pieces: bytes) -> Handler:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _read_request(reader)
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.002)
        await reader.read()  # until the client closes

    return handler


@pytest.mark.parametrize(
    "pieces",
    [
        [OPEN, b"%x\r\n%b\r\n" % (len(DONE), DONE)],
        [OPEN, b"%x\r\n" % len(DONE), DONE[:14], DONE[14:18], DONE[18:-2]],
        [OPEN, b"%x\r\n" % len(DONE), DONE.replace(b"\n", b"\r\n").rstrip()],
        [b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n" + DONE],
        [b"HTTP/1.1 200 OK\r\n\r\n" + DONE],
    ],
)
def test_nobody_waits_for_a_body_whose_last_line_came(pieces: list[bytes]) -> None:
    """A server that keeps the body open after its last line has answered, each time."""
    found = exchanges(_stays_open(*pieces), 3, request=STREAM)

    assert [e.outcome for e in found] == ["ok"] * 3
    assert all(b"[DONE]" in e.body for e in found)


def test_nobody_waits_after_ollama_s_final_frame() -> None:
    """Lines of JSON end with the frame that says done, with or without an end of its line."""
    frame = b'{"message":{"content":"a"},"done":false}\n{"message":{},"done":true}'
    asked = replace(STREAM, is_last=ends_frames)

    found = exchanges(_stays_open(OPEN, b"%x\r\n" % (len(frame) + 1), frame), 2, request=asked)

    assert [(e.outcome, e.body) for e in found] == [("ok", frame)] * 2


def test_a_connection_whose_body_ends_after_its_last_line_is_used_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The end of a chunked body may come a moment after [DONE]: the connection is kept."""
    monkeypatch.setattr(wire, "LINGER_S", 60.0)

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await _read_request(reader):
            writer.write(OPEN + b"%x\r\n%b\r\n" % (len(DONE), DONE))
            await writer.drain()
            await asyncio.sleep(0.001)
            writer.write(b"0\r\n\r\n")

    found = exchanges(handler, 40, request=STREAM)

    assert [e.outcome for e in found] == ["ok"] * 40
    assert any(e.connect_ns == 0 for e in found)


def test_a_text_that_speaks_of_the_end_ends_nothing() -> None:
    """Only a line that is [DONE] ends a request: the answer goes on after one that quotes it."""
    quoted = b'data: {"content":"data: [DONE]"}\n\n'
    pieces = [OPEN, b"%x\r\n%b\r\n" % (len(quoted), quoted), CHUNKED.split(b"\r\n\r\n", 1)[1]]

    (found,) = exchanges(replying(*pieces), request=STREAM)

    assert found.body == quoted + b"ok"


@pytest.mark.parametrize(
    "pieces",
    [
        [OPEN, b"9\r\ndata: 1\n\n\r\n"],
        [OPEN, b"f\r\ndata: [DO"],
        [b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\ndata: 1\n\n"],
    ],
)
def test_a_body_that_breaks_off_is_incomplete(pieces: list[bytes]) -> None:
    """A chunked body without its last chunk, or one shorter than told, did not arrive."""
    (found,) = exchanges(replying(*pieces), request=STREAM)

    assert found.outcome == "incomplete"


def test_a_request_the_server_never_saw_goes_out_again() -> None:
    """A connection closed while idle is no failure, and the clock of the request runs on."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await _read_request(reader):
            writer.write(OK)
            await writer.drain()

    found = exchanges(handler, 3)

    assert [e.outcome for e in found] == ["ok"] * 3


def test_an_answer_cut_short_is_incomplete_and_not_sent_again() -> None:
    """Once a byte of the answer has come, a lost connection is the server's failure."""
    seen = 0

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal seen
        if await _read_request(reader):
            seen += 1
            writer.write(CHUNKED[:-7])
            await writer.drain()

    (found,) = exchanges(handler)

    assert (found.outcome, seen) == ("incomplete", 1)
    assert "closed" in (found.error or "")


def test_bytes_that_are_no_http_are_incomplete() -> None:
    """A foreign protocol on the port is told, not waited for."""
    (found,) = exchanges(replying(b"SSH-2.0-OpenSSH\r\n"))

    assert found.outcome == "incomplete"
    assert "malformed" in (found.error or "")


def test_silence_is_a_timeout() -> None:
    """A server that accepts and says nothing runs into the time limit."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _read_request(reader)
        await asyncio.sleep(0.5)

    (found,) = exchanges(handler, timeout_s=0.1)

    assert found.outcome == "timeout"


def test_nobody_there_is_an_error() -> None:
    """A refused connection is an outcome, not an exception."""

    async def work() -> Exchange:
        transport = HttpTransport(Address("127.0.0.1", 9))
        return await transport.send(REQUEST, 1.0)

    found = asyncio.run(work())

    assert found.outcome == "error"
    assert "cannot connect" in (found.error or "")


def test_interim_responses_are_skipped() -> None:
    """A 100 Continue before the answer is not the answer."""
    (found,) = exchanges(replying(b"HTTP/1.1 100 Continue\r\n\r\n", OK))

    assert (found.status, found.body) == (200, b"ok")


def test_stamps_are_those_of_the_arrivals() -> None:
    """Two chunks 50 ms apart carry stamps 50 ms apart, whenever they are read."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab")
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.write(b"cd")
        await writer.drain()

    (found,) = exchanges(handler)
    (first, _), (second, _) = found.chunks

    assert found.sent_ns <= first < second <= found.end_ns
    assert (second - first) / 1e9 >= 0.045


def test_tls_is_spoken_and_its_certificate_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server with a trusted certificate is served over TLS, any other is a failure."""
    trusted, unknown = trustme.CA(), trustme.CA()
    trusted.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))

    async def work(ca: trustme.CA) -> Exchange:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        ca.issue_cert("127.0.0.1").configure_cert(context)
        server = await asyncio.start_server(replying(OK), "127.0.0.1", 0, ssl=context)
        async with server:
            port = server.sockets[0].getsockname()[1]
            transport = HttpTransport(Address("127.0.0.1", port, secure=True))
            found = await transport.send(REQUEST, 5.0)
            await transport.aclose()
            return found

    served, refused = asyncio.run(work(trusted)), asyncio.run(work(unknown))

    assert (served.outcome, served.body) == ("ok", b"ok")
    assert refused.outcome == "error"
    assert "certificate" in str(refused.error)
