"""Requests and replies of OpenAI-compatible chat, on recorded and on broken bytes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tuner.testing
from tuner.engines.serving.chat import chat_request, read_chat
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


@pytest.mark.parametrize(
    ("chunks", "outcome", "wanted"),
    [
        ((_content("a"), STOP), "ok", "ok"),
        ((_content("a"), STOP, b"data: [DONE]\n"), "ok", "ok"),
        ((_content("a"), STOP, b"data:[DONE]"), "ok", "ok"),
        ((_content("a"), STOP.removesuffix(b"\n\n")), "ok", "ok"),
        ((_content("a"), DONE), "ok", "incomplete"),
        ((_content("a"),), "ok", "incomplete"),
        ((_content("a"), STOP), "incomplete", "incomplete"),
        ((_content("a"), STOP.removesuffix(b"}]}\n\n")), "incomplete", "incomplete"),
    ],
)
def test_an_answer_is_whole_with_a_reason_and_the_end_of_its_body(
    chunks: tuple[bytes, ...], outcome: str, wanted: str
) -> None:
    """[DONE] and the last line ends may be missing; a finish reason or HTTP's own end may not."""
    assert read_chat(_exchange(*chunks, outcome=outcome)).outcome == wanted


@pytest.mark.parametrize(
    "delta",
    [
        {"reasoning": "hm"},
        {"reasoning_content": "hm", "content": ""},
        {"thinking": "hm", "content": None},
        {"reasoning_details": [{"type": "reasoning.text", "text": "hm"}]},
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]},
        {"refusal": "I will not"},
        {"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": ""}}]},
        {"function_call": {"name": "f"}},
        {"audio": {"id": "a", "transcript": "hm"}},
    ],
)
def test_whatever_the_model_says_is_its_first_token(delta: dict[str, Any]) -> None:
    """Thoughts, refusals, calls and sound set the first and last stamps, and are no answer."""
    other = _frame(choices=[{"delta": delta}])

    reply = read_chat(_exchange(other, _content("a"), other, STOP, DONE))

    assert (reply.first_ns, reply.last_ns, reply.answer) == (1000, 1002, "a")
    assert reply.unknown_fields == ()


def test_output_under_a_name_that_nobody_told_is_noticed() -> None:
    """An unknown field with text counts as output, and the reply names it."""
    new = _frame(choices=[{"delta": {"inner_voice": [{"say": "hm"}]}}])

    reply = read_chat(_exchange(new, _content("a"), STOP, DONE))

    assert (reply.first_ns, reply.answer) == (1000, "a")
    assert reply.unknown_fields == ("inner_voice",)


@pytest.mark.parametrize(
    "delta",
    [
        {"role": "assistant", "name": "bot", "content": ""},
        {"content": [], "tool_calls": [], "reasoning": None},
        {"content": [{"type": "text", "text": ""}], "reasoning_details": [{"index": 0}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": ""}}]},
        {"request_id": "r-1", "audio": {"id": "a", "expires_at": 5}, "inner_voice": ""},
    ],
)
def test_a_delta_in_which_nothing_is_said_is_no_token(delta: dict[str, Any]) -> None:
    """Roles, labels and empty fields set no stamp."""
    silent = _frame(choices=[{"delta": delta}])

    reply = read_chat(_exchange(silent, _content("a"), silent, STOP, DONE))

    assert (reply.first_ns, reply.last_ns, reply.unknown_fields) == (1001, 1001, ())


@pytest.mark.parametrize(
    ("content", "answer"),
    [
        ([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], "ab"),
        (["a", "b"], "ab"),
        ([{"type": "thinking", "thinking": "hm"}, {"text": "b"}], "b"),
        ([{"text": {"value": "b"}}, None, 7], ""),
    ],
)
def test_content_in_parts_is_the_text_of_its_parts(content: list[Any], answer: str) -> None:
    """A list of parts is read as the text in it, thoughts left out."""
    parts = _frame(choices=[{"delta": {"content": content}}])

    assert read_chat(_exchange(parts, STOP, DONE)).answer == answer


def test_completions_without_deltas_are_read_too() -> None:
    """The older `text` of a choice is text, and a whole message in a stream is an answer."""
    text = _frame(choices=[{"text": "a", "index": 0, "finish_reason": None}])
    message = _frame(choices=[{"message": {"role": "assistant", "content": "b"}}])
    plain = _frame(choices=[{"delta": "c"}])

    assert read_chat(_exchange(text, message, plain, STOP, DONE)).answer == "abc"


@pytest.mark.parametrize(
    "usage",
    [None, [], "none", 5, {"completion_tokens": None}, {"completion_tokens": 0},
     {"completion_tokens": 1}, {"completion_tokens": -1}, {"completion_tokens": [3]},
     {"completion_tokens": "three"}, {"completion_tokens": True}, {"completion_tokens": 2.5}],
)  # fmt: skip
def test_a_count_that_cannot_be_is_unknown_and_chunks_are_counted(usage: Any) -> None:
    """Nothing, zeros and nonsense beside three chunks of text are three chunks, and said so."""
    told = _frame(choices=[], usage=usage)

    reply = read_chat(_exchange(_content("a"), _content(" b"), _content("c"), STOP, told, DONE))

    assert (reply.outcome, reply.output_tokens, reply.by_chunks) == ("ok", 3, True)


@pytest.mark.parametrize("count", [7, 7.0, "7"])
def test_a_count_is_read_however_it_is_written(count: Any) -> None:
    """Numbers as text and with a point are the numbers that they are."""
    told = _frame(choices=[], usage={"completion_tokens": count, "prompt_tokens": count})

    reply = read_chat(_exchange(_content("a"), _content("b c"), STOP, told, DONE))

    assert (reply.output_tokens, reply.prompt_tokens, reply.by_chunks) == (7, 7, False)


@pytest.mark.parametrize(
    "chunks",
    [
        [_content("a whole answer at once")],
        [_content("yes")],
        [_content("two words"), _content(" more")],
        [_content("x" * 40), _content("y")],
        [_frame(choices=[{"delta": {"tool_calls": [{"function": {"name": "f"}}]}}]), _content("a")],
        [_frame(choices=[{"delta": {"inner_voice": "hm"}}]), _content("a")],
        [],
    ],
)
def test_chunks_that_may_hold_several_tokens_are_not_counted(chunks: list[bytes]) -> None:
    """Without a count, whole answers, words in one chunk and calls leave the number unknown."""
    reply = read_chat(_exchange(*chunks, STOP, DONE))

    assert (reply.outcome, reply.output_tokens, reply.by_chunks) == ("ok", None, False)


def test_chunks_that_come_all_at_once_show_no_pace() -> None:
    """What a proxy held back says nothing of the time for a token, unless a count was told."""
    at_once = _content("a") + _content(" b") + STOP
    told = _frame(choices=[], usage={"completion_tokens": 2})

    assert read_chat(_exchange(at_once + DONE)).output_tokens is None
    assert read_chat(_exchange(at_once + told + DONE)).output_tokens == 2


def test_counts_of_the_timings_stand_in_for_usage() -> None:
    """llama.cpp tells how many tokens it predicted, where no usage was asked for."""
    told = _frame(choices=[], timings={"predicted_n": 9, "prompt_ms": 1.0, "note": "x"})

    reply = read_chat(_exchange(_content("a"), _content("b"), STOP, told, DONE))

    assert (reply.output_tokens, reply.by_chunks) == (9, False)
    assert reply.server == {"predicted_n": 9, "prompt_ms": 1.0}


@pytest.mark.parametrize(
    "frame",
    [
        {"choices": [], "finish_reason": "stop"},
        {"choices": [{"delta": {"finish_reason": "stop"}}]},
        {"choices": [{"delta": None, "finish_reason": "stop"}]},
    ],
)
def test_a_finish_reason_is_found_where_servers_put_it(frame: dict[str, Any]) -> None:
    """In the choice, in its delta or beside the choices: where there is only one choice."""
    choices = frame["choices"] or [{"delta": {}}]

    reply = read_chat(_exchange(_content("a"), _frame(**frame | {"choices": choices}), DONE))

    assert (reply.outcome, reply.finish) == ("ok", "stop")


@pytest.mark.parametrize(
    ("event", "outcome", "error"),
    [
        (b'event: error\ndata: {"message": "overloaded"}\n\n', "error", "overloaded"),
        (b'event: error\ndata: {"error": {"message": "too long"}}\n\n', "error", "too long"),
        (b"event: error\ndata: out of memory\n\n", "error", "out of memory"),
        (b"event: ping\ndata: 12:00\n\n", "ok", ""),
        (b"event: ping\n\n", "ok", ""),
        (b"data:\n\n", "ok", ""),
        (b"data\n\n", "ok", ""),
        (b"id: 5\nretry: 100\n\n", "ok", ""),
    ],
)
def test_events_of_other_types_are_told_apart(event: bytes, outcome: str, error: str) -> None:
    """An event of type error is one, whatever its data; pings and empty ones are nothing."""
    reply = read_chat(_exchange(_content("a"), event, STOP, DONE))

    assert reply.outcome == outcome
    assert error in (reply.error or "")


def test_halves_of_a_character_become_the_character() -> None:
    """JSON may cut a pair of surrogates in two; half of one alone is no character."""
    halves = [
        b'data: {"choices":[{"delta":{"content":"%s"}}]}\n\n' % half
        for half in (rb"\ud83d", rb"\ude00", rb"\ud83d")
    ]

    assert read_chat(_exchange(*halves, STOP, DONE)).answer == "😀\ufffd"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(
        ["choices", "delta", "message", "content", "text", "usage", "timings", "error",
         "finish_reason", "completion_tokens", "predicted_n", "tool_calls", "x"]
    ), inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


@given(st.lists(JSON, max_size=4), st.sampled_from([b"", b"event: error\n", b"event: x\n"]))
def test_no_json_makes_the_reader_raise(documents: list[Any], kind: bytes) -> None:
    """Any JSON in any place gives a reply that can be written and read back."""
    sent = [kind + b"data: " + json.dumps(d).encode() + b"\n\n" for d in documents]

    reply = read_chat(_exchange(*sent, STOP, DONE))

    assert reply.outcome in ("ok", "error")
    assert reply.outcome == "ok" or reply.error
    json.dumps([reply.answer, reply.error, reply.finish, dict(reply.server)]).encode()
    "".join([reply.answer, reply.error or "", *reply.unknown_fields]).encode()


def test_json_without_a_bottom_is_an_error() -> None:
    """A frame nested deeper than can be read ends that request alone."""
    reply = read_chat(_exchange(b"data: " + b"[" * 200_000 + b"\n\n", STOP, DONE))

    assert reply.outcome == "error"
    assert "cannot be read" in (reply.error or "")


@given(st.lists(JSON, max_size=3), st.integers(1, 40), st.sampled_from([b"\n", b"\r\n", b"\r"]))
def test_any_cut_of_the_bytes_gives_the_same_reply(
    documents: list[Any], size: int, end: bytes
) -> None:
    """Whatever is sent and however lines end, the network's cuts change only stamps."""
    frames = [_content("é"), *(b"data: " + json.dumps(d).encode() + b"\n\n" for d in documents)]
    body = b"\xef\xbb\xbf" + b"".join([*frames, STOP, DONE]).replace(b"\n", end)
    pieces = [body[i : i + size] for i in range(0, len(body), size)]

    def read(*chunks: bytes) -> Any:
        found = read_chat(_exchange(*chunks))
        tokens = None if found.by_chunks else found.output_tokens  # chunks count by their stamps
        return replace(found, first_ns=None, last_ns=None, output_tokens=tokens, by_chunks=False)

    assert repr(read(*pieces)) == repr(read(body))


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
