"""Requests and replies of Ollama's chat, on whole and on broken streams."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.engines.ollama.chat import ends_frames, ollama_request, read_ollama
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


@pytest.mark.parametrize(
    "message",
    [
        {"content": "", "thinking": "hm"},
        {"content": "", "tool_calls": [{"function": {"name": "f", "arguments": {}}}]},
        {"content": None, "reasoning": "hm"},
        {"content": [{"type": "thinking", "thinking": "hm"}]},
    ],
)
def test_whatever_the_model_says_is_its_first_token(message: dict[str, Any]) -> None:
    """Thoughts and calls set the first and last stamps."""
    other = _line(message=message, done=False)

    reply = read_ollama(_exchange(other, _content("a"), other, _line(**FINAL)))

    assert (reply.first_ns, reply.last_ns, reply.answer) == (1000, 1002, "a")
    assert reply.unknown_fields == ()


def test_output_under_a_name_that_nobody_told_is_noticed() -> None:
    """An unknown field of a message counts as output, and the reply names it."""
    new = _line(message={"content": "", "inner_voice": "hm"}, done=False)

    assert read_ollama(_exchange(new, _line(**FINAL))).unknown_fields == ("inner_voice",)


@pytest.mark.parametrize("count", [{}, {"eval_count": 0}, {"eval_count": None}])
def test_a_count_of_nothing_beside_text_is_unknown(count: dict[str, Any]) -> None:
    """Without a count chunks are counted where each can be a token, and nothing elsewhere."""
    final = _line(**{n: v for n, v in FINAL.items() if n != "eval_count"} | count)

    two = read_ollama(_exchange(_content("a"), _content(" b"), final))
    one = read_ollama(_exchange(_content("a whole answer"), final))

    assert (two.output_tokens, two.by_chunks) == (2, True)
    assert (one.output_tokens, one.by_chunks) == (None, False)


@pytest.mark.parametrize(
    ("last", "outcome", "wanted"),
    [
        (_line(**FINAL), "ok", "ok"),
        (_line(**FINAL).rstrip(), "ok", "ok"),
        (_line(**FINAL).rstrip() + b"\r\n", "ok", "ok"),
        (_line(**FINAL).rstrip(), "incomplete", "incomplete"),
        (_line(**FINAL)[:-9], "incomplete", "incomplete"),
    ],
)
def test_a_final_frame_needs_no_line_end(last: bytes, outcome: str, wanted: str) -> None:
    """The end of the body ends its last line; a connection that broke off does not."""
    assert read_ollama(_exchange(_content("a"), last, outcome=outcome)).outcome == wanted


def test_the_final_frame_is_told_from_what_speaks_of_it() -> None:
    """Only a whole frame that says done itself is the last one."""
    call = {"function": {"name": "f", "arguments": {"done": True}}}
    others = (
        _content('"done":true'),
        _line(message={"tool_calls": [call]}, done=False),
        _line(**FINAL)[:-9],
        b'[{"done":true}]',
        b'{"done":1}',
        b'"done"' + b"[" * 200_000,
    )

    assert ends_frames(_line(**FINAL).strip())
    assert not any(map(ends_frames, others))


FRAMES = st.dictionaries(
    st.sampled_from(["message", "done", "done_reason", "error", "eval_count", "x_duration"]),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["content", "thinking", "tool_calls", "x"]), inner)
        ),
        max_leaves=8,
    ),
)


@given(st.lists(FRAMES, max_size=4), st.integers(1, 40))
def test_any_json_in_any_cut_gives_the_same_reply(frames: list[Any], size: int) -> None:
    """Unexpected types end no measurement, and cuts change only stamps."""
    body = b"".join(json.dumps(f).encode() + b"\n" for f in [*frames, FINAL])
    pieces = [body[i : i + size] for i in range(0, len(body), size)]

    def read(*chunks: bytes) -> Any:
        return replace(read_ollama(_exchange(*chunks)), first_ns=None, last_ns=None)

    assert repr(read(*pieces)) == repr(read(body))
    assert read(body).outcome in ("ok", "error")


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
