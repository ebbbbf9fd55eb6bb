"""Take out of a record what tells who somebody is, before any of it is stored or shown."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from tuner.workflow.recordings.paths import Path, dropped, replaced
from tuner.workflow.recordings.patterns import SHIPPED, Pattern, Span, names_pattern
from tuner.workflow.recordings.told import Chat

NAMES = "name"
"""The rule for names that fields beside the texts tell."""

_MOST_NAMES = 100
_ABOUT_PEOPLE = re.compile(
    r"(?i)(user_api_key_)?(end_?)?user(_?name|_?id|_?email)?|author|customer|email|safety_identifier"
    r"|((first|last|full|sur|family|given|nick|display|customer|client|contact|patient)_?)?name"
)
_NESTED = {"metadata", "request", "body", "requester_metadata", "user_api_key_auth_metadata"}
_NOBODY = {"user", "assistant", "system", "developer", "anonymous", "unknown", "default", "none"}


@dataclass(frozen=True, slots=True)
class Rule:
    """Puts a text in place of what a pattern finds."""

    name: str
    pattern: Pattern
    by: str


def shipped(left: frozenset[str] = frozenset()) -> tuple[Rule, ...]:
    """Return the rules that hold without being asked for, but for those that are `left` out."""
    return tuple(
        Rule(name, pattern, f"<{name}>") for name, pattern in SHIPPED.items() if name not in left
    )


@dataclass(frozen=True, slots=True)
class Redaction:
    """What is taken out: fields by their paths, then what rules find in every text.

    One's `own` rules go once over it. The shipped `rules` do so until they find nothing: what one
    takes out can bring forth what another finds. They end, since none finds what is put in.
    """

    rules: tuple[Rule, ...]
    own: tuple[Rule, ...] = ()
    drop: tuple[Path, ...] = ()
    replace: tuple[tuple[Path, str], ...] = ()
    names: bool = True

    def fields(self, record: Mapping[str, Any], counts: Counter[str]) -> Mapping[str, Any]:
        """Return a record whose fields are dropped and replaced; count what was."""
        for path in self.drop:
            record, times = dropped(record, path)
            counts[".".join(path)] += times
        for path, by in self.replace:
            record, times = replaced(record, path, by)
            counts[".".join(path)] += times
        return record

    def chat(self, chat: Chat, names: frozenset[str], counts: Counter[str]) -> Chat:
        """Return a chat whose texts are redacted; count what was found by its rule."""
        rules = self.rules
        if self.names and names:
            rules = (*rules, Rule(NAMES, names_pattern(names), f"<{NAMES}>"))

        def redacted(text: str) -> str:
            return _until_nothing(_once(text, self.own, counts), rules, counts)

        messages = tuple(replace(m, content=redacted(m.content)) for m in chat.messages)
        return replace(chat, messages=messages)


def told_names(record: Mapping[str, Any]) -> frozenset[str]:
    """Return names that fields about people tell, whole and word by word."""
    return frozenset(islice(_names(record), _MOST_NAMES))


def _names(record: Mapping[str, Any]) -> Iterator[str]:
    for key, value in record.items():
        if isinstance(value, dict) and key in _NESTED:
            yield from _names(value)
        elif isinstance(value, str) and _ABOUT_PEOPLE.fullmatch(key):
            yield from _parts(value)
        elif key == "messages" and isinstance(value, list):
            yield from (n for m in value if isinstance(m, dict) for n in _parts(m.get("name")))


def _parts(value: Any) -> Iterator[str]:
    if not isinstance(value, str) or len(value) > 200:
        return
    for name in (value.strip(), *value.split()):
        letters = 0 if "<" in name else sum(c.isalpha() for c in name)
        if letters >= 3 and name.lower() not in _NOBODY:
            yield name


def _until_nothing(text: str, rules: tuple[Rule, ...], counts: Counter[str]) -> str:
    while (new := _once(text, rules, counts)) != text:
        text = new
    return text


def _once(text: str, rules: tuple[Rule, ...], counts: Counter[str]) -> str:
    for rule in rules:
        text, times = _replaced(text, rule)
        counts[rule.name] += times
    return text


def _replaced(text: str, rule: Rule) -> tuple[str, int]:
    """Return a text with a rule's text in place of what it finds, and how often it found it."""
    kept, end, times = [], 0, 0
    for first, last in _apart(rule.pattern(text)):
        kept += [text[end:first], rule.by]
        end, times = last, times + 1
    return ("".join((*kept, text[end:])), times) if times else (text, 0)


def _apart(spans: Iterator[Span]) -> Iterator[Span]:
    """Yield spans in their order, those that overlap as one, none that is empty."""
    joined: Span | None = None
    for first, last in sorted(span for span in spans if span[0] < span[1]):
        if joined is not None and first < joined[1]:
            joined = joined[0], max(joined[1], last)
        else:
            if joined is not None:
                yield joined
            joined = first, last
    if joined is not None:
        yield joined
