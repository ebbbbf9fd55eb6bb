"""The JSON Schema of the answers, checked as far as judging by it can fail."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

from tuner.spec.errors import InputError
from tuner.spec.file.reading import regex_problem


def schema_of(schema: Any, place: str) -> Mapping[str, Any]:
    """Return a JSON Schema (2020-12); raise InputError for what no answer can be judged by."""
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError

    if not isinstance(schema, dict):
        raise InputError(f"{place}: not a JSON Schema: expected an object, found {schema!r}")
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as broken:
        at = "/".join(str(p) for p in broken.path) or "its top level"
        raise InputError(f"{place}: not a JSON Schema: {broken.message} (at {at})") from None
    # in this order: judging follows references, and would fetch what is not there
    for problem in chain(_references(schema), _patterns(schema), _endless(schema)):
        raise InputError(f"{place}: not a JSON Schema to judge by: {problem}")
    return schema


def _references(schema: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a schema refers to and does not hold: nothing is fetched while judging."""
    from referencing import Registry
    from referencing.exceptions import Unresolvable
    from referencing.jsonschema import DRAFT202012

    resource = DRAFT202012.create_resource(schema)
    resolver = Registry().with_resource(resource.id() or "", resource).resolver(resource.id() or "")
    for key, target in _found(schema, ("$ref", "$dynamicRef")):
        try:
            resolver.lookup(target)
        except Unresolvable:
            yield f"{key} {target!r} is not there; expected a place in this file, such as #/$defs/x"


def _patterns(schema: Mapping[str, Any]) -> Iterator[str]:
    for key, pattern in _found(schema, ("pattern",)):
        if broken := regex_problem(pattern):
            yield f"{key}: {broken}"
    for mapping in _all(schema):
        for pattern in mapping.get("patternProperties", {}):
            if broken := regex_problem(pattern):
                yield f"patternProperties: {broken}"


def _endless(schema: Mapping[str, Any]) -> Iterator[str]:
    from jsonschema import Draft202012Validator

    validator = Draft202012Validator(schema)
    documents: tuple[Any, ...] = ({}, [], "", 0)
    try:
        for document in documents:
            validator.is_valid(document)
    except RecursionError:
        yield "a $ref leads back to itself without an end"


def _found(schema: Any, keys: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Yield the texts that stand under some keys anywhere in a schema."""
    for mapping in _all(schema):
        yield from ((k, v) for k, v in mapping.items() if k in keys and isinstance(v, str))


def _all(value: Any) -> Iterator[dict[str, Any]]:
    """Yield every object of a JSON value."""
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    for inner in value if isinstance(value, list) else ():
        yield from _all(inner)
