"""Requests and replies of Ollama's chat, on whole and on broken streams."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.engines.ollama_chat import ollama_request, read_ollama
from tuner.load.wire import Exchange
from tuner.spec.values import Message


def _exchange(*chunks: bytes, status: int = 200, outcome: Any = "ok") -> Exchange:
    stamped = tuple((1000 + i, c) for i, c in enumerate(chunks))
    return Exchange(900, 5000, 0, status, stamped, outcome)


def _line(**frame: Any) -> bytes:
    return json.dumps(frame, ensure_ascii=False).encode() + b"\n"


def _content(text: str) -> bytes:
    return _line(message={"role": "assistant", "content": text}, done=False)


FINAL = {
    "message": {"role": "assistant", "content": ""},
    "done": True,
    "done_reason": "stop",
    "total_duration": 400,
    "load_duration": 10,
    "prompt_eval_count": 30,
    "prompt_eval_duration": 90,
    "eval_count": 7,
    "eval_duration": 300,
}


def test_an_answer_is_read_with_stamps_counts_and_durations() -> None:
    """First and last are frames with text; the final frame tells tokens, reason and timings."""
    reply = read_ollama(_exchange(_content("a"), _content("é"), _line(**FINAL)))

    assert (reply.outcome, reply.answer, reply.finish) == ("ok", "aé", "stop")
    assert (reply.first_ns, reply.last_ns) == (1000, 1001)
    assert (reply.prompt_tokens, reply.output_tokens) == (30, 7)
    assert reply.server["eval_duration"] == 300


def test_thoughts_are_tokens_but_no_answer() -> None:
    """A thinking model's first thought is its first token; the answer holds none of them."""
    thought = _line(message={"content": "", "thinking": "hm"}, done=False)

    reply = read_ollama(_exchange(thought, _content("{}"), _line(**FINAL)))

    assert (reply.first_ns, reply.answer) == (1000, "{}")


def test_a_stream_without_its_final_frame_is_incomplete() -> None:
    """Ollama gives up on an answer that repeats itself without saying `done`."""
    reply = read_ollama(_exchange(*[_content("x")] * 30))

    assert reply.outcome == "incomplete"
    assert reply.error == "the stream ended without its final frame"


@pytest.mark.parametrize(
    ("exchange", "error"),
    [
        (_exchange(b'{"error":"server busy"}', status=503), "HTTP 503: server busy"),
        (_exchange(b'{"error":"model \'x\' not found"}', status=404), "HTTP 404: model 'x' not"),
        (_exchange(b"<html>", status=502), "HTTP 502: a web page"),
        (_exchange(_content("a"), _line(error="out of memory")), "out of memory"),
        (_exchange(_content("a"), b"{oops\n", _line(**FINAL)), "cannot be read"),
        (_exchange(_content("a"), b"[1]\n", _line(**FINAL)), "cannot be read"),
        (_exchange(outcome="timeout"), "no response"),
    ],
)
def test_failures_are_typed_and_say_why(exchange: Exchange, error: str) -> None:
    """Whatever a server sends instead of an answer is a failure with its own words."""
    reply = read_ollama(exchange)

    assert reply.outcome in ("error", "timeout")
    assert error in (reply.error or "")


@given(st.lists(st.binary(max_size=30), max_size=5), st.sampled_from([None, 200, 404]))
def test_no_bytes_make_the_reader_raise(chunks: list[bytes], status: int | None) -> None:
    """Arbitrary bytes are never taken for a whole answer, and never raise."""
    stamped = tuple((i, c) for i, c in enumerate(chunks))

    assert read_ollama(Exchange(0, 9, 0, status, stamped, "ok")).outcome != "ok"


@given(st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=6), st.integers(1, 40))
def test_chunks_may_be_cut_anywhere(texts: list[str], size: int) -> None:
    """The answer does not depend on where the network cuts the stream."""
    whole = b"".join([*map(_content, texts), _line(**FINAL)])
    pieces = [whole[i : i + size] for i in range(0, len(whole), size)]

    reply = read_ollama(_exchange(*pieces))

    assert (reply.outcome, reply.answer) == ("ok", "".join(texts))


def test_a_request_carries_options_format_and_no_truncation() -> None:
    """A schema goes as `format` itself; a prompt that does not fit is to be refused."""
    schema = {"type": "object"}

    request = ollama_request("m", [Message("user", "hi")], {"top_k": 3}, schema, think=False)

    body = json.loads(request.body)
    assert body["options"] == {"top_k": 3}
    assert (body["format"], body["think"], body["truncate"]) == (schema, False, False)
    assert (request.method, request.path) == ("POST", "/api/chat")
