"""OpenAI-compatible chat completions: a conversation becomes a request, a stream a reply."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tuner.engines.refusal import error_text, not_streamed, unanswered
from tuner.load.issue import Reply
from tuner.load.sse import events
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
    return Request("POST", path, encoded, (("Content-Type", "application/json"), *headers))


@dataclass(slots=True)
class _Stream:
    """What has been read of a stream so far."""

    first_ns: int | None = None
    last_ns: int | None = None
    parts: list[str] = field(default_factory=list)
    finish: str | None = None
    usage: Mapping[str, Any] = field(default_factory=dict)
    timings: Mapping[str, Any] = field(default_factory=dict)
    done: bool = False
    error: str | None = None


def read_chat(exchange: Exchange) -> Reply:
    """Return the reply in a streamed chat completion.

    The stream is complete when a finish reason and [DONE] arrived (OpenAI API reference,
    "Streaming"; llama.cpp tools/server sends both).
    """
    if refused := unanswered(exchange) or not_streamed(exchange):
        return refused
    stream = _Stream()
    for stamp, data in events(exchange.chunks):
        _read_event(stream, stamp, data)
    return _reply(stream, exchange)


def _read_event(stream: _Stream, stamp: int, data: str) -> None:
    if data.strip() == "[DONE]":
        stream.done = True
        return
    try:
        _read_frame(stream, stamp, json.loads(data))
    except (ValueError, TypeError, AttributeError, KeyError, IndexError):
        stream.error = stream.error or f"a frame that cannot be read: {data[:200]!r}"


def _read_frame(stream: _Stream, stamp: int, frame: dict[str, Any]) -> None:
    if frame.get("error"):
        stream.error = error_text(json.dumps(frame).encode())
    stream.usage = frame.get("usage") or stream.usage
    # llama.cpp's name, then vLLM's (--enable-per-request-metrics)
    stream.timings = frame.get("timings") or frame.get("metrics") or stream.timings
    for choice in frame.get("choices") or ():
        stream.finish = choice.get("finish_reason") or stream.finish
        delta = choice.get("delta") or {}
        text = delta.get("content") or ""
        if text or delta.get("reasoning_content") or delta.get("tool_calls"):
            stream.first_ns = stream.first_ns or stamp
            stream.last_ns = stamp
            stream.parts.append(text)


def _reply(stream: _Stream, exchange: Exchange) -> Reply:
    complete = stream.done and stream.finish is not None
    error = stream.error
    if not complete and error is None:
        error = exchange.error or "the stream ended without its final frame"
    outcome = "error" if stream.error else "ok" if complete else "incomplete"
    output = stream.usage.get("completion_tokens", stream.timings.get("predicted_n"))
    return Reply(
        outcome=outcome,  # type: ignore[arg-type]
        error=error,
        first_ns=stream.first_ns,
        # an empty answer ends when its stream does
        last_ns=exchange.end_ns if stream.last_ns is None else stream.last_ns,
        prompt_tokens=stream.usage.get("prompt_tokens"),
        output_tokens=output,
        finish=stream.finish,
        answer="".join(stream.parts),
        server=dict(stream.timings),
    )
