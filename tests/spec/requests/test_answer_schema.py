"""The schema of answers: what would fail while judging is refused before."""

from __future__ import annotations

from typing import Any

import pytest

from tests.guard.test_classify import sample
from tuner.guard.classify import judge
from tuner.spec.errors import InputError
from tuner.spec.requests.answer_schema import schema_of
from tuner.spec.values import Prompt


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        (True, "expected an object, found True"),
        ([], "expected an object"),
        ({"type": "objekt"}, "not a JSON Schema"),
        ({"type": "string", "pattern": "("}, "'('"),
        ({"patternProperties": {"(": {}}}, "'('"),
        ({"properties": {"a": {"$ref": "#/$defs/b"}}}, "$ref '#/$defs/b' is not there"),
        ({"$ref": "https://example.invalid/schema.json"}, "is not there"),
        ({"$ref": "#"}, "leads back to itself"),
        ({"$defs": {"a": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}, "leads back to itself"),
    ],
)
def test_what_no_answer_can_be_judged_by_is_refused(schema: Any, said: str) -> None:
    """The file is named, and the place or the text that is wrong."""
    with pytest.raises(InputError) as error:
        schema_of(schema, "a.json")

    assert str(error.value).startswith("a.json: not a JSON Schema")
    assert said in str(error.value)


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"$defs": {"n": {"type": "integer"}}, "properties": {"a": {"$ref": "#/$defs/n"}}},
        {"$id": "urn:x", "properties": {"next": {"$ref": "#"}}},
        {"properties": {"$ref": {"type": "string"}, "pattern": {"const": "("}}},
    ],
)
def test_schemas_that_refer_within_themselves_are_taken(schema: dict[str, Any]) -> None:
    """References to places of the file, and to the whole of it, are what recursion takes."""
    assert schema_of(schema, "a.json") == schema


@pytest.mark.parametrize("answer", ["[" * 100_000, '{"a":' * 3000 + "1" + "}" * 3000])
def test_answers_without_an_end_are_answers_too(answer: str) -> None:
    """What a model nests too deeply to be read, or to be judged, is a class and no traceback."""
    schema = {"$id": "urn:x", "properties": {"a": {"$ref": "#"}}}

    assert judge(schema)(Prompt("p", "t", "k", ()), sample(answer)) == "unparseable"
