"""Put every answer into one class."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, TypeAlias

from tuner.spec.requests.workload import is_text
from tuner.spec.values import GuardClass, Prompt, Sample

Judge: TypeAlias = Callable[[Prompt, Sample], GuardClass]

_REFUSAL = re.compile(
    r"\b(i('m| am) sorry|i can(no|')t|i am (unable|not able)|as an ai)\b", re.IGNORECASE
)
VALID: frozenset[GuardClass] = frozenset({"correct", "wrong_fields"})


def judge(schema: Mapping[str, Any] | None) -> Judge:
    """Return a function that classifies the answers of a workload.

    With a schema an answer must be JSON that fits it. Without one it must be JSON only where
    `expect` holds fields. A valid answer to a prompt without `expect` is correct. One that ends
    at the length that its prompt wants is whole, and its text may be empty: servers show no
    control tokens.
    """
    fits = _validator(schema)

    def classify(prompt: Prompt, sample: Sample) -> GuardClass:
        if sample.outcome != "ok":
            return "error"
        at_limit = sample.finish == "length"
        whole = at_limit and sample.wanted_tokens is not None and not sample.shorter
        if at_limit and not whole:
            return "truncated"
        if not sample.answer.strip() and not (whole and prompt.expect is None):
            return "empty"
        if schema is None and (prompt.expect is None or is_text(prompt.expect)):
            return _judge_text(prompt.expect or {}, sample.answer)
        return _judge_json(prompt.expect, sample.answer, fits)

    return classify


def _judge_json(
    expect: Mapping[str, Any] | None, answer: str, fits: Callable[[Any], bool]
) -> GuardClass:
    try:
        document = json.loads(answer)
        fitting = fits(document)
    except (ValueError, RecursionError):  # nothing that a server says may end a run
        return "refused" if _REFUSAL.search(answer) else "unparseable"
    if not fitting:
        return "schema_violation"
    return "correct" if expect is None or matches(expect, document) else "wrong_fields"


def matches(expect: Any, found: Any) -> bool:
    """Tell whether each expected field is there with its value; other fields do not matter.

    True and 1 differ, as in JSON.
    """
    if isinstance(expect, Mapping):
        return isinstance(found, Mapping) and all(
            key in found and matches(value, found[key]) for key, value in expect.items()
        )
    if isinstance(expect, list):
        same = isinstance(found, list) and len(found) == len(expect)
        return same and all(matches(e, f) for e, f in zip(expect, found, strict=True))
    return isinstance(expect, bool) == isinstance(found, bool) and bool(expect == found)


def _judge_text(expect: Mapping[str, Any], answer: str) -> GuardClass:
    text = answer.strip()
    if all(_text_matches(kind, wanted, text) for kind, wanted in expect.items()):
        return "correct"
    return "refused" if _REFUSAL.search(text) else "wrong_fields"


def _text_matches(kind: str, wanted: str, text: str) -> bool:
    if kind == "exact":
        return text == wanted.strip()
    if kind == "contains":
        return wanted in text
    return re.search(wanted, text) is not None


def _validator(schema: Mapping[str, Any] | None) -> Callable[[Any], bool]:
    if schema is None:
        return lambda document: True
    return _draft202012(json.dumps(schema)).is_valid  # type: ignore[no-any-return]


@lru_cache(maxsize=8)
def _draft202012(schema: str) -> Any:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(json.loads(schema))
