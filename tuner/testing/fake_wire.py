"""The bytes of FakeServer: HTTP requests in, replies and server-sent events out.

Written after what llama.cpp's server sends (`recorded/chat.http`): the stream opens with
the first token, role and first token share a chunk, so do finish and usage.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tuner.testing.fake_world import Job

DONE, END = b"e\r\ndata: [DONE]\n\n\r\n", b"0\r\n\r\n"
GARBAGE = b'data: {"choices":[{"delta":{"content":\n\n'
MAX_REQUESTS = 100
REASONS = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    500: "Internal Server Error",
    503: "Service Unavailable",
}
COMMON = "Server: llama.cpp\r\nAccess-Control-Allow-Origin: \r\n"
STREAM_HEAD = (
    f"HTTP/1.1 200 OK\r\n{COMMON}X-Accel-Buffering: no\r\nContent-Type: text/event-stream\r\n"
    f"Transfer-Encoding: chunked\r\nKeep-Alive: timeout=5, max={MAX_REQUESTS}\r\n\r\n"
).encode()


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request as it came."""

    route: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Wire:
    """One client's connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    split: bool

    async def send(self, data: bytes) -> None:
        """Send bytes, in odd pieces where asked for; raise when the client has gone."""
        if self.reader.at_eof():
            raise ConnectionResetError("the client closed the connection")
        for piece in _pieces(data) if self.split else [data]:
            self.writer.write(piece)
            await self.writer.drain()
            await asyncio.sleep(0)

    async def reply(self, status: int, value: object, keep: bool = True) -> bool:
        """Send one JSON document; return whether the connection stays open."""
        body = dumps(value)
        keep = keep and status == 200
        last = f"Keep-Alive: timeout=5, max={MAX_REQUESTS}" if keep else "Connection: close"
        head = f"HTTP/1.1 {status} {REASONS[status]}\r\n{COMMON}"
        head += "Content-Type: application/json; charset=utf-8\r\n"
        head += f"Content-Length: {len(body)}\r\n{last}\r\n\r\n"
        await self.send(head.encode() + body)
        return keep


def _pieces(data: bytes) -> Iterator[bytes]:
    """Yield data in pieces of at most seven bytes, cut inside each UTF-8 sequence."""
    cuts = set(range(0, len(data), 7)) | {i + 1 for i, b in enumerate(data) if b >= 0xC0}
    ends = [*sorted(cuts), len(data)]
    yield from (data[a:b] for a, b in zip(ends, ends[1:], strict=False))


def dumps(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


async def read_request(reader: asyncio.StreamReader, idle_s: float) -> Request:
    """Read one request; raise TimeoutError when none comes."""
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), idle_s)
    first, *lines = head.decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines if line)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    method, target = first.split(" ")[:2]
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Request(f"{method} {target.partition('?')[0]}", headers, body)


def said(job: Job, place: int) -> bytes:
    """Return what goes out with one token: its frame, and all that opens a stream."""
    first = {"role": "assistant", "content": None}
    deltas = [{"content": said} for said in job.answer[place : place + 1]]
    frames = b"".join(frame(job, _choice(d)) for d in ([first] if place == 0 else []) + deltas)
    return (STREAM_HEAD if place == 0 else b"") + chunk(frames)


def _choice(delta: Mapping[str, Any]) -> dict[str, Any]:
    return {"finish_reason": None, "index": 0, "delta": delta}


def named(job: Job, kind: str) -> dict[str, Any]:
    named = {"created": job.created, "id": job.id, "model": job.model}
    return {**named, "system_fingerprint": "fake", "object": kind}


def frame(job: Job, choice: Mapping[str, Any] | None, **more: object) -> bytes:
    choices = [] if choice is None else [choice]
    document = {"choices": choices, **named(job, "chat.completion.chunk"), **more}
    return b"data: " + dumps(document) + b"\n\n"


def chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"
