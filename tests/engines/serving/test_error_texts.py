"""What servers say in place of an answer becomes one line."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.engines.serving.error_texts import error_text, not_streamed, unanswered
from tuner.engines.serving.served_models import is_among, listed
from tuner.load.wire import Exchange

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"error": {"message": "too long", "type": "x"}}, "too long"),
        ({"error": "too long"}, "too long"),
        ({"error": {"message": {"detail": "too long"}}}, "too long"),
        ({"object": "error", "message": "too long", "code": 400}, "too long"),
        ({"detail": "too long"}, "too long"),
        ({"detail": [{"loc": ["body", "n", 0], "msg": "too long"}]}, "body.n.0: too long"),
        ([{"error": {"message": "too long"}}], "too long"),
        ({"error": {}}, '{"error": {}}'),
        ({"error": None, "message": "too\n  long"}, "too long"),
    ],
)
def test_the_words_are_found_in_the_shapes_that_servers_use(body: Any, said: str) -> None:
    """OpenAI's object, plain text in it, FastAPI's detail, Google's list; else the JSON itself."""
    assert error_text(json.dumps(body).encode()) == said


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"<!DOCTYPE html><title>\n 504\n Gateway</title>", 'a web page, "504 Gateway"'),
        (b"\n<html><body>no title</body></html>", "a web page"),
        (b"upstream\r\nis gone", "upstream is gone"),
        (b"x" * 500, "x" * 200 + "..."),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"[" * 100_000, "[" * 200 + "..."),
        (b"", ""),
    ],
)
def test_pages_and_text_are_cut_to_a_line(body: bytes, said: str) -> None:
    """A page gives its title, text its first 200 characters in one line."""
    assert error_text(body) == said


@given(st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_body_is_a_line(body: bytes) -> None:
    """No body raises, and none brings more than a line."""
    said = error_text(body)

    assert "\n" not in said
    assert len(said) <= 220


@pytest.mark.parametrize(
    ("status", "location", "said"),
    [
        (307, "https://box/v1/", "HTTP 307: redirected to https://box/v1/"),
        (301, None, "HTTP 301: Moved Permanently"),
        (401, None, "HTTP 401: Unauthorized"),
        (599, None, "HTTP 599: an empty answer"),
    ],
)
def test_an_empty_refusal_says_what_its_status_means(
    status: int, location: str | None, said: str
) -> None:
    """A redirect says where to, and is not followed."""
    reply = unanswered(Exchange(0, 9, 0, status, (), "ok", location=location))

    assert reply is not None
    assert (reply.outcome, reply.error) == ("error", said)


@pytest.mark.parametrize("kind", [None, "text/event-stream", "text/event-stream; charset=utf-8"])
def test_what_calls_itself_a_stream_is_read_as_one(kind: str | None) -> None:
    """The reader of streams says what is wrong with it."""
    assert not_streamed(Exchange(0, 9, 0, 200, ((1, b"{}"),), "ok", content_type=kind)) is None


def test_a_stream_under_another_name_is_read_as_one() -> None:
    """Some servers stream events as text/plain or application/json."""
    body = ((1, b"data: {}\n\n"),)

    assert not_streamed(Exchange(0, 9, 0, 200, body, "ok", content_type="text/plain")) is None


@pytest.mark.parametrize(
    ("body", "names"),
    [
        ({"data": [{"id": "a"}, {"id": "b"}]}, ("a", "b")),
        ([{"id": "a"}], ("a",)),
        (["a"], ("a",)),
        ({"models": [{"name": "a"}]}, ("a",)),
        ({"data": None}, ()),
        ({"data": {"id": "a"}}, ()),
        ({"data": [None, 5, {"id": 7}, {}]}, ()),
        (None, ()),
        ("a", ()),
    ],
)
def test_models_are_listed_in_whatever_shape(body: Any, names: tuple[str, ...]) -> None:
    """What is no list of names says nothing, and is no error."""
    assert listed(body) == names


@given(JSON)
def test_no_list_of_models_raises(body: Any) -> None:
    """Any JSON is a list of names or none."""
    assert all(name and is_among(name, listed(body)) for name in listed(body))
