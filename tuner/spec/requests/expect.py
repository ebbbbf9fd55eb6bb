"""Find what is wrong with the `expect` of a prompt before a single answer is judged by it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tuner.spec.file.parts import nearest
from tuner.spec.file.reading import regex_problem
from tuner.spec.requests.workload import MATCHES, is_text

_EXAMPLE = '{"exact": "..."}, {"contains": "..."}, {"regex": "..."} or fields of a JSON answer'


def problem(expect: Any, schema: Mapping[str, Any] | None) -> str | None:
    """Return what is wrong with an `expect`, None where it can be met."""
    if not isinstance(expect, Mapping):
        return f"expect: expected an object: {_EXAMPLE}; found {expect!r}"
    if not expect:
        return f"expect: empty; expected {_EXAMPLE}, or leave it out"
    found = _of_text(expect) if schema is None else _of_fields(expect, schema, "expect")
    return next(found, None)


def _of_text(expect: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong without a schema.

    A key that is one letter away from the three is taken for a slip only where no key beside
    it says that fields are meant.
    """
    meant = {key: _meant(key) for key in expect}
    if None in meant.values():
        return
    for key, right in meant.items():
        if key != right:
            yield (
                f"expect: unknown key {key!r}; did you mean {right}? A JSON answer with a field "
                f"of that name needs workload.schema"
            )
        elif not isinstance(expect[key], str) or not expect[key].strip():
            yield f"expect.{key}: expected text, found {expect[key]!r}"
        elif key == "regex" and (broken := regex_problem(expect[key])):
            yield f"expect.regex: {broken}"


def _meant(key: str) -> str | None:
    """Return which of MATCHES a key is, or is one slip away from; None for any other word."""
    word = key.strip().lower()
    return next((match for match in MATCHES if _slips(word, match) <= 1), None)


def _slips(word: str, right: str) -> int:
    """Return how many places differ: letters missing, added, replaced, or two exchanged."""
    opcodes = difflib.SequenceMatcher(None, word, right, autojunk=False).get_opcodes()
    sizes = [max(b - a, d - c) for tag, a, b, c, d in opcodes if tag != "equal"]
    exchanged = sorted(word) == sorted(right) and len(sizes) == 2 and sum(sizes) == 2
    return 1 if exchanged else sum(sizes)


def _of_fields(expect: Mapping[str, Any], schema: Mapping[str, Any], at: str) -> Iterator[str]:
    """Yield the fields that no answer can have, by a schema that names all there may be."""
    known = schema.get("properties")
    fields: Iterable[str] = known if isinstance(known, Mapping) else ()
    closed = schema.get("additionalProperties") is False and "patternProperties" not in schema
    text = at == "expect" and is_text(expect)
    for key, value in expect.items():
        if key in fields:
            inner = known[key] if isinstance(known, Mapping) else None
            if isinstance(inner, Mapping) and isinstance(value, Mapping):
                yield from _of_fields(value, inner, f"{at}.{key}")
        elif closed or text:
            why = " (with a schema, expect names fields of a JSON answer)" if text else ""
            yield (
                f"{at}.{key}: unknown key {key!r}: workload.schema has no such field{why}; it has: "
                f"{', '.join(fields) or 'none'}{nearest(key, fields)}"
            )
