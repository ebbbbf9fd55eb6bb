"""Each answer falls into the class that the specification gives it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.guard.classify import judge, matches
from tuner.spec.values import GuardClass, Prompt, Sample

SCHEMA = {
    "type": "object",
    "properties": {"action": {"type": "string"}},
    "required": ["action"],
    "additionalProperties": False,
}
EXPECT = {"action": "go"}


def sample(answer: str, **changes: Any) -> Sample:
    """Return a served sample with an answer."""
    facts: dict[str, Any] = {
        "prompt_id": "p", "kind": "k", "planned_ns": 0, "sent_ns": 0, "first_ns": 1, "last_ns": 2,
        "connect_ns": 0, "prompt_tokens": 1, "output_tokens": 1, "finish": "stop", "outcome": "ok",
        "error": None,
    }  # fmt: skip
    return Sample(answer=answer, **facts | changes)


def classed(answer: str, expect: Any = EXPECT, schema: Any = SCHEMA, **changes: Any) -> GuardClass:
    """Return the class of an answer."""
    return judge(schema)(Prompt("p", "t", "k", (), expect), sample(answer, **changes))


@pytest.mark.parametrize(
    ("answer", "changes", "wanted"),
    [
        ('{"action": "go"}', {}, "correct"),
        (' {"action": "go"}\n', {}, "correct"),
        ('{"action": "stay"}', {}, "wrong_fields"),
        ('{"acton": "go"}', {}, "schema_violation"),
        ('{"action": "go", "more": 1}', {}, "schema_violation"),
        ("[]", {}, "schema_violation"),
        ('```json\n{"action": "go"}\n```', {}, "unparseable"),
        ('{"action": "go"', {}, "unparseable"),
        ("I'm sorry, I cannot help with that.", {}, "refused"),
        ('{"action": "go"}', {"finish": "length"}, "truncated"),
        ("  ", {}, "empty"),
        ('{"action": "go"}', {"outcome": "incomplete"}, "error"),
        ("", {"outcome": "timeout"}, "error"),
    ],
)
def test_classes(answer: str, changes: dict[str, Any], wanted: GuardClass) -> None:
    """Nothing but a complete answer that parses, fits and matches is correct."""
    assert classed(answer, **changes) == wanted


@pytest.mark.parametrize(
    ("answer", "changes", "wanted"),
    [
        ("and so on and so", {}, "correct"),
        (" \n", {}, "correct"),
        ("and so", {"output_tokens": 39}, "truncated"),
        ("and so", {"output_tokens": None}, "correct"),
        ("and so", {"output_tokens": 3, "by_chunks": True}, "correct"),
        ("done.", {"output_tokens": 2, "finish": "stop"}, "correct"),
        ("", {"output_tokens": 0, "finish": "stop"}, "empty"),
        ("", {"output_tokens": None, "finish": "stop"}, "empty"),
        ("and so", {"outcome": "error"}, "error"),
    ],
)
def test_an_answer_that_ends_at_the_length_that_is_wanted_is_whole(
    answer: str, changes: dict[str, Any], wanted: GuardClass
) -> None:
    """One that a limit or the context cut before is not; what nobody counted is no fault."""
    facts = {"finish": "length", "output_tokens": 40, "wanted_tokens": 40} | changes

    assert classed(answer, expect=None, schema=None, **facts) == wanted


def test_what_is_expected_of_an_answer_of_a_given_length_still_counts() -> None:
    """A prompt may have both."""
    facts = {"finish": "length", "output_tokens": 4, "wanted_tokens": 4}

    assert classed("a b", expect={"contains": "b"}, schema=None, **facts) == "correct"
    assert classed("a b", expect={"contains": "c"}, schema=None, **facts) == "wrong_fields"
    assert classed(" ", expect={"contains": "c"}, schema=None, **facts) == "empty"


def test_without_expectation_valid_is_correct() -> None:
    """A prompt that expects nothing in particular asks for a valid answer only."""
    assert classed('{"action": "x"}', expect=None) == "correct"


@pytest.mark.parametrize(
    ("expect", "answer", "wanted"),
    [
        ({"exact": "yes"}, " yes\n", "correct"),
        ({"exact": "yes"}, "yes!", "wrong_fields"),
        ({"contains": "es"}, "yes", "correct"),
        ({"regex": r"^\d+$"}, "42", "correct"),
        ({"regex": r"^\d+$"}, "42 apples", "wrong_fields"),
        (None, "anything", "correct"),
    ],
)
def test_text_workloads(expect: Any, answer: str, wanted: GuardClass) -> None:
    """Without a schema, exact, contains and regex judge plain text."""
    assert classed(answer, expect=expect, schema=None) == wanted


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(JSON)
def test_a_document_matches_itself(document: Any) -> None:
    """Whatever is expected, the same document fulfils it."""
    assert matches(document, document)


@given(st.dictionaries(st.text(max_size=3), JSON, min_size=1, max_size=3))
def test_a_missing_field_never_matches(document: dict[str, Any]) -> None:
    """Each expected field has to be there; further ones are free."""
    key = next(iter(document))
    less = {k: v for k, v in document.items() if k != key}

    assert not matches(document, less)
    assert matches(less, document)


def test_true_is_not_one() -> None:
    """JSON tells booleans from numbers."""
    assert not matches({"a": 1}, {"a": True})
    assert not matches({"a": False}, {"a": 0})
