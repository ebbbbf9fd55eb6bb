"""What is expected of answers: what no answer could meet, or what was mistyped, is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.spec.requests.expect import problem

SCHEMA = {
    "type": "object",
    "properties": {
        "action": {"type": "string"},
        "params": {"type": "object", "properties": {"id": {}}, "additionalProperties": False},
    },
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("expect", "said"),
    [
        ("yes", "expect: expected an object"),
        (5, "expect: expected an object"),
        (["a"], "expect: expected an object"),
        (False, "expect: expected an object"),
        ({}, "expect: empty"),
        ({"contains": 5}, "expect.contains: expected text, found 5"),
        ({"exact": None}, "expect.exact: expected text, found None"),
        ({"contains": ["a", "b"]}, "expect.contains: expected text, found ['a', 'b']"),
        ({"contains": ""}, "expect.contains: expected text, found ''"),
        ({"regex": "("}, "expect.regex: '(' is not a regular expression"),
        ({"regex": "a{99999999999}"}, "expect.regex: "),
        ({"contain": "abc"}, "unknown key 'contain'; did you mean contains?"),
        ({"Contains": "abc"}, "did you mean contains?"),
        ({"contians": "abc"}, "did you mean contains?"),
        ({"regexp": "a"}, "did you mean regex?"),
        ({"exat": "a"}, "did you mean exact?"),
        ({"contains": "a", "regx": "b"}, "unknown key 'regx'; did you mean regex?"),
    ],
)
def test_without_a_schema(expect: Any, said: str) -> None:
    """Slips of exact, contains and regex are seen, and values that are no text."""
    assert said in str(problem(expect, None))


@pytest.mark.parametrize(
    "expect",
    [
        {"exact": "yes"}, {"contains": "a", "regex": "b$"}, {"action": "go"}, {"container": "x"},
        {"extract": "x"}, {"content": "x"}, {"exact": True, "name": "x"}, {"match": "x"},
        {"contain": "a", "name": "b"}, {"regexes": ["a"], "n": 1},
    ],
)  # fmt: skip
def test_fields_of_json_are_the_user_s_own(expect: dict[str, Any]) -> None:
    """A field is no slip where a field beside it says that JSON is meant, or two letters differ."""
    assert problem(expect, None) is None


@pytest.mark.parametrize(
    ("expect", "said"),
    [
        ({"acton": "go"}, "expect.acton: unknown key 'acton'", ),
        ({"acton": "go"}, "did you mean action?"),
        ({"params": {"idd": 1}}, "expect.params.idd: unknown key 'idd'"),
        ({"contains": "go"}, "with a schema, expect names fields of a JSON answer"),
        ("go", "expect: expected an object"),
    ],
)  # fmt: skip
def test_with_a_schema_fields_are_its_own(expect: Any, said: str) -> None:
    """A schema that names all fields says which of them are slips."""
    assert said in str(problem(expect, SCHEMA))


@pytest.mark.parametrize(
    ("expect", "schema"),
    [
        ({"action": "go", "params": {"id": 1}}, SCHEMA),
        ({"contains": "x"}, {"properties": {"contains": {}}}),
        ({"contain": "x"}, {"type": "object"}),
        ({"x-1": 1}, {"patternProperties": {"^x": {}}, "additionalProperties": False}),
        ({"other": 1}, {"properties": {"a": {}}}),
        ({"params": [1]}, SCHEMA),
    ],
)  # fmt: skip
def test_with_a_schema_that_allows_it(expect: dict[str, Any], schema: dict[str, Any]) -> None:
    """Fields that a schema names or leaves open are real ones, whatever they are called."""
    assert problem(expect, schema) is None


@given(st.dictionaries(st.text(), st.none() | st.text() | st.integers(), min_size=1, max_size=3))
def test_any_object_is_judged_or_refused(expect: dict[str, Any]) -> None:
    """Whatever is written, there is an answer and no traceback."""
    found = problem(expect, None)

    assert found is None or found.startswith("expect")
