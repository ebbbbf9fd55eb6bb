"""OpenAI-compatible chat completions: a conversation becomes a request, a stream a reply."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tuner.engines.serving.error_texts import error_text, not_streamed, unanswered
from tuner.engines.serving.output import Output, numbers, whole_number
from tuner.load.issue import Reply
from tuner.load.sse import ends_events, events, well_formed
from tuner.load.wire import Exchange, Request
from tuner.spec.values import Message

CHAT_PATH = "/v1/chat/completions"


def chat_request(
    messages: Sequence[Message],
    fields: Mapping[str, Any],
    response_format: Any,
    *,
    path: str = CHAT_PATH,
    headers: tuple[tuple[str, str], ...] = (),
    stream_options: bool = True,
) -> Request:
    """Return a streaming chat request; `fields` are further keys of its JSON body.

    Without `stream_options`, which some servers refuse, others send no token counts.
    """
    body: dict[str, Any] = {
        "messages": [{"role": m.role, "content": m.content} for m in messages],
        "stream": True,
        **({"stream_options": {"include_usage": True}} if stream_options else {}),
        **fields,
    }
    if response_format == "json":
        body["response_format"] = {"type": "json_object"}
    elif response_format is not None:
        schema = {"name": "answer", "strict": True, "schema": response_format}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    encoded = json.dumps(body, ensure_ascii=False).encode()
    sent = (("Content-Type", "application/json"), *headers)
    return Request("POST", path, encoded, sent, is_last=ends_events)


@dataclass(slots=True)
class _Stream:
    """What has been read of a stream so far."""

    output: Output = field(default_factory=Output)
    finish: str | None = None
    usage: Mapping[str, Any] = field(default_factory=dict)
    timings: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None


def read_chat(exchange: Exchange) -> Reply:
    """Return the reply in a streamed chat completion.

    The answer is whole when a finish reason arrived and the body came to its end: by HTTP's
    rules, or with [DONE], which not all servers send (OpenAI API reference, "Streaming").
    """
    if refused := unanswered(exchange) or not_streamed(exchange):
        return refused
    stream = _Stream()
    for stamp, kind, data in events(exchange.chunks, whole=exchange.outcome == "ok"):
        _read_event(stream, stamp, kind, data)
    return _reply(stream, exchange)


def _read_event(stream: _Stream, stamp: int, kind: str, data: str) -> None:
    if data.strip() == "[DONE]" or not data.strip():
        return
    try:
        frame = json.loads(data)
        if kind == "error":
            frame = {"error": frame.get("error") or frame}
        _read_frame(stream, stamp, frame)
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError):
        if kind in ("", "message", "error"):  # others, such as ping, may hold what they like
            stream.error = stream.error or f"a frame that cannot be read: {data[:200]!r}"


def _read_frame(stream: _Stream, stamp: int, frame: dict[str, Any]) -> None:
    if frame.get("error"):
        stream.error = error_text(json.dumps(frame).encode())
    stream.usage = _object(frame.get("usage")) or stream.usage
    # llama.cpp's name, then vLLM's (--enable-per-request-metrics)
    timings = _object(frame.get("timings")) or _object(frame.get("metrics"))
    stream.timings = timings or stream.timings
    choices = frame.get("choices")
    for choice in map(_object, choices if isinstance(choices, list) else ()):
        delta = choice.get("delta") or choice.get("message")
        delta = {"content": delta} if isinstance(delta, str) else _object(delta)
        stream.output.add(stamp, {"text": choice.get("text"), **delta})
        stream.finish = _finish(choice, delta, frame) or stream.finish


def _object(value: Any) -> dict[str, Any]:
    """Return a JSON object, {} for anything else that a server may send in its place."""
    return value if isinstance(value, dict) else {}


def _finish(*places: Mapping[str, Any]) -> str | None:
    """Return the first finish reason in the places where servers put it."""
    reasons = (place.get("finish_reason") for place in places)
    return next((r for r in reasons if isinstance(r, str) and r), None)


def _reply(stream: _Stream, exchange: Exchange) -> Reply:
    complete = exchange.outcome == "ok" and stream.finish is not None
    error = stream.error
    if not complete and error is None:
        error = exchange.error or "the stream ended without its final frame"
    outcome = "error" if stream.error else "ok" if complete else "incomplete"
    output, told = stream.output, stream.usage.get("completion_tokens")
    tokens, by_chunks = output.tokens(stream.timings.get("predicted_n") if told is None else told)
    return Reply(
        outcome=outcome,  # type: ignore[arg-type]
        error=None if error is None else well_formed(error),
        first_ns=output.first_ns,
        # an empty answer ends when its stream does
        last_ns=exchange.end_ns if output.last_ns is None else output.last_ns,
        prompt_tokens=whole_number(stream.usage.get("prompt_tokens")) or None,  # none has none
        output_tokens=tokens,
        by_chunks=by_chunks,
        finish=None if stream.finish is None else well_formed(stream.finish),
        answer=well_formed("".join(output.answer)),
        server=numbers(stream.timings),
        unknown_fields=tuple(sorted(map(well_formed, output.unknown))),
    )
