"""Requests and replies of OpenAI-compatible chat, on recorded and on broken bytes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tuner.testing
from tuner.engines.chat import chat_request, read_chat
from tuner.load.wire import Exchange
from tuner.spec.values import Message

RECORDED = Path(tuner.testing.__file__).parent / "recorded"


def _exchange(*chunks: bytes, status: int = 200, outcome: Any = "ok") -> Exchange:
    stamped = tuple((1000 + i, c) for i, c in enumerate(chunks))
    return Exchange(900, 5000, 0, status, stamped, outcome)


def _frame(**frame: Any) -> bytes:
    return b"data: " + json.dumps(frame).encode() + b"\n\n"


def _content(text: str) -> bytes:
    return _frame(choices=[{"delta": {"content": text}, "finish_reason": None}])


STOP = _frame(choices=[{"delta": {}, "finish_reason": "stop"}])
DONE = b"data: [DONE]\n\n"


def test_recorded_stream_is_read_in_full() -> None:
    """The bytes that llama.cpp sent give its text, its tokens and its timings."""
    raw = (RECORDED / "chat.http").read_bytes()
    body = _dechunked(raw.split(b"\r\n\r\n", 1)[1])

    reply = read_chat(_exchange(body))

    assert reply.outcome == "ok"
    assert reply.answer
    assert reply.output_tokens == reply.server["predicted_n"]
    assert reply.prompt_tokens


def _dechunked(data: bytes) -> bytes:
    out = b""
    while True:
        size, data = data.split(b"\r\n", 1)
        if int(size, 16) == 0:
            return out
        out, data = out + data[: int(size, 16)], data[int(size, 16) + 2 :]


def test_first_and_last_are_chunks_with_content() -> None:
    """Role-only and finish frames are no tokens: they set neither stamp."""
    role = _frame(choices=[{"delta": {"role": "assistant", "content": None}}])

    reply = read_chat(_exchange(role, _content("a"), _content("b"), STOP, DONE))

    assert (reply.first_ns, reply.last_ns, reply.answer) == (1001, 1002, "ab")


def test_a_stream_without_its_end_is_incomplete() -> None:
    """No [DONE] or no finish reason: the answer did not arrive whole."""
    assert read_chat(_exchange(_content("a"), STOP)).outcome == "incomplete"
    assert read_chat(_exchange(_content("a"), DONE)).outcome == "incomplete"


@pytest.mark.parametrize(
    ("exchange", "error"),
    [
        (_exchange(b'{"error":{"message":"too long"}}', status=400), "HTTP 400: too long"),
        (_exchange(b"<html>", status=502), "HTTP 502: a web page"),
        (_exchange(_content("a"), b"data: {oops\n\n", STOP, DONE), "cannot be read"),
        (_exchange(_frame(error={"message": "lost"}), DONE), "lost"),
        (_exchange(b"data: [1]\n\n", STOP, DONE), "cannot be read"),
    ],
)
def test_errors_are_errors_with_the_server_s_words(exchange: Exchange, error: str) -> None:
    """Refusals, garbage and errors in mid-stream are told apart from slow answers."""
    reply = read_chat(exchange)

    assert reply.outcome == "error"
    assert error in (reply.error or "")


@given(st.lists(st.binary(max_size=30), max_size=5), st.sampled_from([None, 200, 404]))
def test_nothing_that_a_server_sends_raises(chunks: list[bytes], status: int | None) -> None:
    """Any bytes give a reply, and never an `ok` one without a final frame."""
    stamped = tuple((i, c) for i, c in enumerate(chunks))

    reply = read_chat(Exchange(0, 9, 0, status, stamped, "ok"))

    assert reply.outcome != "ok"


@given(st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=6), st.integers(1, 40))
def test_text_does_not_depend_on_how_the_bytes_are_cut(texts: list[str], size: int) -> None:
    """UTF-8 and frames split anywhere give the same answer."""
    body = b"".join([*map(_content, texts), STOP, DONE])
    pieces = [body[i : i + size] for i in range(0, len(body), size)]

    assert read_chat(_exchange(*pieces)).answer == "".join(texts)


def test_the_format_becomes_response_format() -> None:
    """Json asks for an object, a schema for that schema, None for nothing."""
    message = (Message("user", "x"),)

    def wanted(response_format: Any) -> Any:
        body = json.loads(chat_request(message, {"temperature": 0}, response_format).body)
        return body.get("response_format")

    assert wanted(None) is None
    assert wanted("json") == {"type": "json_object"}
    assert wanted({"type": "object"})["json_schema"]["schema"] == {"type": "object"}


@pytest.mark.parametrize("name", ["timings", "metrics"])
def test_the_engine_s_own_timings_are_kept(name: str) -> None:
    """llama.cpp calls them timings, vLLM metrics; both are kept as given."""
    told = _frame(choices=[], **{name: {"queue_time_ms": 1.5}})

    assert read_chat(_exchange(_content("x"), STOP, told, DONE)).server == {"queue_time_ms": 1.5}
