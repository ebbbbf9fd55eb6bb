"""The bytes of FakeServer: HTTP requests in, replies and server-sent events out.

Written after what llama.cpp's server sends (`recorded/chat.http`): the stream opens with
the first token, role and first token share a chunk, so do finish and usage.
"""

from __future__ import annotations

import asyncio
import itertools
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
    307: "Temporary Redirect",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    422: "Unprocessable Entity",
    429: "Too Many Requests",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
}
COMMON = "Server: llama.cpp\r\nAccess-Control-Allow-Origin: \r\n"
STREAM_HEAD = (
    f"HTTP/1.1 200 OK\r\n{COMMON}X-Accel-Buffering: no\r\nContent-Type: text/event-stream\r\n"
    f"Transfer-Encoding: chunked\r\nKeep-Alive: timeout=5, max={MAX_REQUESTS}\r\n\r\n"
).encode()


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request as it came; `route` is its method and path, `target` has the query too."""

    route: str
    target: str
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

    async def reply(
        self,
        status: int,
        value: object,
        keep: bool = True,
        kind: str = "application/json; charset=utf-8",
        more: str = "",
    ) -> bool:
        """Send one document; return whether the connection stays open."""
        body = value if isinstance(value, bytes) else dumps(value)
        keep = keep and status == 200
        last = f"Keep-Alive: timeout=5, max={MAX_REQUESTS}" if keep else "Connection: close"
        head = f"HTTP/1.1 {status} {REASONS[status]}\r\n{COMMON}"
        head += f"{more}Content-Type: {kind}\r\n"
        head += f"Content-Length: {len(body)}\r\n{last}\r\n\r\n"
        await self.send(head.encode() + body)
        return keep


def _pieces(data: bytes) -> Iterator[bytes]:
    """Yield data in pieces of at most seven bytes, cut inside each UTF-8 sequence."""
    cuts = set(range(0, len(data), 7)) | {i + 1 for i, b in enumerate(data) if b >= 0xC0}
    ends = [*sorted(cuts), len(data)]
    yield from (data[a:b] for a, b in itertools.pairwise(ends))


def dumps(value: object) -> bytes:
    """Return JSON as the server writes it: no spaces, UTF-8 unescaped."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


async def read_request(reader: asyncio.StreamReader, idle_s: float) -> Request:
    """Read one request; raise TimeoutError when none comes."""
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), idle_s)
    first, *lines = head.decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines if line)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    method, target = first.split(" ")[:2]
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Request(f"{method} {target.partition('?')[0]}", target, headers, body)


def token(job: Job, place: int) -> bytes:
    """Return what goes out with one token: its frame and, at the first, all that opens a stream."""
    deltas: list[dict[str, Any]] = [{"content": said} for said in job.answer[place : place + 1]]
    if place > 0:
        return chunk(b"".join(_delta(job, delta) for delta in deltas))
    deltas.insert(0, {"role": "assistant", "content": None})
    return STREAM_HEAD + chunk(b"".join(_delta(job, delta) for delta in deltas))


def again(job: Job) -> bytes:
    """Return what goes out when the last token of a stream is said once more."""
    return chunk(_delta(job, {"content": job.answer[-1] if job.answer else " "}))


def closing(job: Job, accounts: Mapping[str, Any]) -> bytes:
    """Return what ends a stream: finish frame, usage and timings, [DONE], last chunk."""
    end = {"finish_reason": job.finish, "index": 0, "delta": {}}
    if not job.usage:
        return chunk(_frame(job, [end], timings=accounts["timings"])) + DONE + END
    return chunk(_frame(job, [end]) + _frame(job, [], **accounts)) + DONE + END


def whole(job: Job, accounts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document that answers a request which does not stream."""
    message = {"role": "assistant", "content": "".join(job.answer)}
    choice = {"finish_reason": job.finish, "index": 0, "message": message}
    return {"choices": [choice], **_head(job, "chat.completion"), **accounts}


def chunk(data: bytes) -> bytes:
    """Return one piece of a chunked body."""
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def _delta(job: Job, delta: Mapping[str, Any]) -> bytes:
    return _frame(job, [{"finish_reason": None, "index": 0, "delta": delta}])


def _frame(job: Job, choices: list[dict[str, Any]], **more: object) -> bytes:
    document = {"choices": choices, **_head(job, "chat.completion.chunk"), **more}
    return b"data: " + dumps(document) + b"\n\n"


def _head(job: Job, kind: str) -> dict[str, Any]:
    head = {"created": job.created, "id": job.id, "model": job.model}
    return {**head, "system_fingerprint": "fake", "object": kind}
