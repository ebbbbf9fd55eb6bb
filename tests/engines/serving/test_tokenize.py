"""Servers that tell tokens are asked beside their chat; others tell nothing, whatever they say."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.engines.serving.chat import chat_request
from tuner.engines.serving.tokenize import Tokenized, tokenize_request, tokenized
from tuner.load.wire import Exchange
from tuner.spec.values import Outcome


def answer(body: bytes, status: int = 200, outcome: Outcome = "ok") -> Exchange:
    """Return an exchange that brought a body."""
    return Exchange(0, 1, 0, status, ((1, body),), outcome)


@pytest.mark.parametrize(
    ("path", "beside"),
    [
        ("/v1/chat/completions", "/tokenize"),
        ("/mine/v1/chat/completions?key=1", "/mine/tokenize?key=1"),
        ("/api/chat", None),
        ("/chat/completions", None),
    ],
)
def test_the_request_goes_beside_the_chat(path: str, beside: str | None) -> None:
    """With the headers of the chat, which may hold a key, and both servers' names for a text."""
    chat = chat_request((), {"model": "m"}, None, path=path, headers=(("X-Key", "k"),))
    found = tokenize_request(chat, "so")

    assert (found and found.path) == beside
    if found is not None:
        body = json.loads(found.body)
        assert (body["content"], body["prompt"], body["model"]) == ("so", "so", "m")
        assert found.headers == chat.headers


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b'{"tokens": [5, 6, 7]}', Tokenized(3)),
        (b'{"tokens": [{"id": 5, "piece": "a"}]}', Tokenized(1)),
        (b'{"count": 2, "max_model_len": 8192, "tokens": [5, 6]}', Tokenized(2, 8192)),
        (b'{"tokens": [], "max_model_len": "8192"}', Tokenized(0)),
        (b'{"count": 2}', None),
        (b"[5, 6]", None),
        (b"<html>", None),
        (b"", None),
    ],
)
def test_what_servers_tell(body: bytes, found: Tokenized | None) -> None:
    """A list of tokens, in llama.cpp's words or vLLM's."""
    assert tokenized(answer(body)) == found


def test_a_refusal_tells_nothing() -> None:
    """Nor does an answer that breaks off."""
    body = b'{"tokens": [5]}'

    assert tokenized(answer(body, 404)) is None
    assert tokenized(answer(body, 200, "incomplete")) is None


@given(st.binary(max_size=80))
def test_no_answer_ends_anything(body: bytes) -> None:
    """Whatever a server sends."""
    tokenized(answer(body))
