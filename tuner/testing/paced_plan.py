"""What the paced server sends and when: a whole answer planned before its first byte leaves.

Pieces are placed by `share` of the time to the first token and by `steps` of the time between
tokens, so that one script serves every request and only the first token's time is drawn anew.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from tuner.testing.fake_wire import dumps
from tuner.testing.options import option

WORDS = (" grün", " 東京", " ok", " naïve")
"""What is said, over and over: characters of one to three bytes, so that cuts fall inside."""

Then = Literal["keep", "cut"]


@dataclass(frozen=True, slots=True)
class Options:
    """How the server behaves; `--help` prints the same."""

    ttft_ms: float = option(40.0, "median time to the first token")
    ttft_sigma: float = option(0.25, "its spread: sigma of the lognormal; 0: none")
    itl_ms: float = option(5.0, "time from one chunk with content to the next")
    tokens: int = option(32, "tokens of each answer")
    per_chunk: int = option(1, "tokens in one chunk")
    burst: int = option(1, "chunks that leave together, after as many times the ITL")
    stall_every_s: float = option(0.0, "the whole server stalls once in so many seconds")
    stall_s: float = option(0.0, "how long each stall takes")
    role_only: bool = option(False, "a chunk with the role alone leaves at once")
    empty_chunk: bool = option(False, "a chunk without text comes half-way to the first token")
    comments: bool = option(False, "SSE comments (pings) stand between the events")
    split: bool = option(False, "each event comes in two parts, cut inside a character")
    no_usage: bool = option(False, "no usage frame ends the stream")
    no_done: bool = option(False, "no [DONE] ends the stream")
    error_every: int = option(0, "one stream of so many breaks off with an error event")
    cut_every: int = option(0, "one connection of so many is cut in mid-stream")
    slow_head: bool = option(False, "the lines of the head come one by one before the first token")
    busy_above: int = option(0, "with more streams than this, answer 503; 0: never")
    seed: int = option(0, "seed of the times to the first token")


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes of an answer, due at `share` x TTFT + `steps` x ITL after the request's arrival.

    `token` marks the piece with which a chunk of text is complete.
    """

    data: bytes
    share: float = 1.0
    steps: float = 0.0
    token: bool = False


@dataclass(frozen=True, slots=True)
class Script:
    """The pieces of an answer in order, and what becomes of the connection."""

    pieces: tuple[Piece, ...]
    then: Then = "keep"


def script(options: Options, number: int = 0) -> Script:
    """Return what the answer to request `number` (from 1) consists of."""
    body = list(_body(options))
    tokens = [i for i, piece in enumerate(body) if piece.token]
    middle = tokens[len(tokens) // 2]
    if _due(number, options.cut_every):
        return _framed(options, body[:middle], "cut")
    if _due(number, options.error_every):
        told = _event({"error": {"message": "made to fail", "type": "server_error", "code": 500}})
        return _framed(options, [*body[:middle], replace(body[middle], data=told, token=False)])
    return _framed(options, body)


def _due(number: int, every: int) -> bool:
    return every > 0 and number % every == 0


def _body(options: Options) -> Iterator[Piece]:
    """Yield the events of a whole stream."""
    if options.role_only:
        yield Piece(_delta({"role": "assistant", "content": ""}), share=0.0)
    if options.empty_chunk:
        yield Piece(_delta({"content": ""}), share=0.5)
    chunks = math.ceil(options.tokens / options.per_chunk)
    for place in range(chunks):
        if options.comments:
            yield Piece(b": ping\n\n", steps=place - place % options.burst)
        said = range(options.tokens)[place * options.per_chunk : (place + 1) * options.per_chunk]
        text = "".join(WORDS[i % len(WORDS)] for i in said)
        yield from _said(options, text, place - place % options.burst)
    yield from _closing(options, chunks - 1)


def _said(options: Options, text: str, steps: float) -> Iterator[Piece]:
    data = _delta({"content": text})
    if not options.split:
        yield Piece(data, steps=steps, token=True)
        return
    cut = next((i for i, byte in enumerate(data) if byte >= 0xC0), len(data) // 2) + 1
    yield Piece(data[:cut], steps=steps)
    yield Piece(data[cut:], steps=steps + 0.25, token=True)


def _closing(options: Options, steps: float) -> Iterator[Piece]:
    data = _event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    if not options.no_usage:
        count = {"prompt_tokens": 8, "completion_tokens": options.tokens}
        data += _event({"choices": [], "usage": {**count, "total_tokens": 8 + options.tokens}})
    if not options.no_done:
        data += b"data: [DONE]\n\n"
    yield Piece(data, steps=steps + 0.25 * options.split)


def _delta(delta: dict[str, str]) -> bytes:
    return _event({"choices": [{"index": 0, "delta": delta, "finish_reason": None}]})


def _event(more: dict[str, object]) -> bytes:
    head = {"id": "chatcmpl-paced", "object": "chat.completion.chunk", "created": 1}
    return b"data: " + dumps({**head, "model": "paced", **more}) + b"\n\n"


HEAD = (
    b"HTTP/1.1 200 OK\r\n",
    b"Content-Type: text/event-stream; charset=utf-8\r\n",
    b"Transfer-Encoding: chunked\r\n\r\n",
)


def _framed(options: Options, body: list[Piece], then: Then = "keep") -> Script:
    """Return the script with the response's head before it and HTTP's chunks around it."""
    framed = [replace(p, data=b"%x\r\n%b\r\n" % (len(p.data), p.data)) for p in body]
    end = b"" if then == "cut" else b"0\r\n\r\n"
    framed[-1] = replace(framed[-1], data=framed[-1].data + end)
    if options.slow_head:
        heads = [Piece(line, share=0.2 * i) for i, line in enumerate(HEAD)]
        return Script((*heads, *framed), then)
    framed[0] = replace(framed[0], data=b"".join(HEAD) + framed[0].data)
    return Script(tuple(framed), then)


def ttfts_s(options: Options) -> Iterator[float]:
    """Yield times to the first token in seconds, without end: lognormal around the median."""
    rng = np.random.default_rng(options.seed)
    while True:
        drawn = np.exp(rng.normal(0.0, options.ttft_sigma, 4096)) * options.ttft_ms / 1e3
        yield from drawn.tolist()


def finished_s(options: Options, begun_s: float, work_s: float) -> float:
    """Return when work begun at `begun_s` ends on a server that stalls, in seconds of its clock.

    In every period of `stall_every_s` the last `stall_s` are a stall, in which nothing goes on.
    """
    period, stall = options.stall_every_s, options.stall_s
    if not (0 < stall < period):
        return begun_s + work_s
    awake = period - stall
    whole, within = divmod(begun_s, period)
    whole, within = divmod(whole * awake + min(within, awake) + work_s, awake)
    return max(begun_s, whole * period + within)
