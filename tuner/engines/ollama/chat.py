"""Ollama's chat: a conversation becomes a request, a stream of JSON lines a reply.

Source: Ollama's api/types.go (ChatRequest, ChatResponse, Metrics) and server/routes.go.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tuner.engines.serving.error_texts import unanswered
from tuner.engines.serving.output import Output, numbers, whole_number
from tuner.load.issue import Reply
from tuner.load.sse import stamped_lines, well_formed
from tuner.load.wire import Exchange, Request
from tuner.spec.values import Message

CHAT_PATH = "/api/chat"


def ollama_request(
    model: str,
    messages: Sequence[Message],
    options: Mapping[str, Any],
    response_format: Any,
    **fields: Any,
) -> Request:
    """Return a streaming chat request; `fields` are further keys of its JSON body.

    `truncate` is false, so that a prompt that does not fit is refused where the server knows
    the field (0.12.6 and newer), and not silently cut.
    """
    body: dict[str, Any] = {
        "model": model,
        "messages": [{"role": m.role, "content": m.content} for m in messages],
        "stream": True,
        "truncate": False,
        "options": dict(options),
        **fields,
    }
    if response_format is not None:
        body["format"] = response_format
    encoded = json.dumps(body, ensure_ascii=False).encode()
    return Request("POST", CHAT_PATH, encoded, is_last=ends_frames)


def ends_frames(line: bytes) -> bool:
    """Tell whether a line of a stream is its final frame."""
    if b'"done"' not in line:
        return False
    try:
        return bool(json.loads(line)["done"] is True)
    except (ValueError, TypeError, KeyError, RecursionError):
        return False


@dataclass(slots=True)
class _Stream:
    """What has been read of a stream so far; `last` is its final frame."""

    output: Output = field(default_factory=Output)
    last: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None


def read_ollama(exchange: Exchange) -> Reply:
    """Return the reply in a streamed chat; it is complete when a frame says `done`.

    A server that gives up on a repeating answer ends the stream without one (engine source:
    llm/server.go, "prediction aborted, token repeat limit reached").
    """
    if refused := unanswered(exchange):
        return refused
    stream = _Stream()
    for stamp, line in stamped_lines(exchange.chunks, whole=exchange.outcome == "ok"):
        if line.strip():
            _read_line(stream, stamp, line)
    return _reply(stream, exchange)


def _read_line(stream: _Stream, stamp: int, line: str) -> None:
    try:
        _read_frame(stream, stamp, json.loads(line.removeprefix("\ufeff")))
    except (ValueError, TypeError, AttributeError, RecursionError):
        stream.error = stream.error or f"a frame that cannot be read: {line[:200]!r}"


def _read_frame(stream: _Stream, stamp: int, frame: Mapping[str, Any]) -> None:
    if frame.get("error"):
        stream.error = str(frame["error"])
    message = frame.get("message")
    stream.output.add(stamp, message if isinstance(message, dict) else {})
    if frame.get("done") is True:
        stream.last = frame


def _reply(stream: _Stream, exchange: Exchange) -> Reply:
    last, output, error = stream.last, stream.output, stream.error
    if not last and error is None:
        error = exchange.error or "the stream ended without its final frame"
    tokens, by_chunks = output.tokens(last.get("eval_count"))
    finish, told = last.get("done_reason"), numbers(last)
    return Reply(
        outcome="error" if stream.error else "ok" if last else "incomplete",
        error=None if error is None else well_formed(error),
        first_ns=output.first_ns,
        # an empty answer ends when its stream does
        last_ns=exchange.end_ns if output.last_ns is None else output.last_ns,
        prompt_tokens=whole_number(last.get("prompt_eval_count")) or None,  # none has none
        output_tokens=tokens,
        by_chunks=by_chunks,
        finish=well_formed(finish) if isinstance(finish, str) else None,
        answer=well_formed("".join(output.answer)),
        server={n: v for n, v in told.items() if n.endswith(("_duration", "_count"))},
        unknown_fields=tuple(sorted(map(well_formed, output.unknown))),
    )
