"""The YAML file of rules: what it says is what is done, and what is wrong is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.docs.page import blocks
from tests.workflow.recordings.test_redaction import redacted
from tuner.spec.errors import InputError
from tuner.workflow.recordings.kinds import kind_of
from tuner.workflow.recordings.rules_file import Rules, read_rules, shipped_rules


def rules(folder: Path, text: str) -> Rules:
    """Return what a file of rules says."""
    path = folder / "rules.yaml"
    path.write_text(text)
    return read_rules(path)


def test_patterns_of_ones_own_are_put_in_by_name_or_as_said(tmp_path: Path) -> None:
    """The shipped ones hold beside them, but for those that are left."""
    found = rules(
        tmp_path,
        r"""
redact:
  patterns:
    ticket: {match: 'TICKET-\d+'}
    room: {match: 'room \d+', by: a room}
  leave: [phone]
""",
    )

    text = redacted("TICKET-9 in room 12, 555-123-4567, a@b.co", found.redaction)

    assert text == "<ticket> in a room, 555-123-4567, <email>"


KINDS = r"""
kinds:
  sum: {match: 'summari[sz]e'}
  code: {at: metadata.route, is: [code, 7]}
  both: {match: translate, at: metadata.*, is: true}
"""


@pytest.mark.parametrize(
    ("record", "asked", "kind"),
    [
        ({}, "Please SUMMARISE this", "sum"),
        ({"metadata": {"route": "code"}}, "x", "code"),
        ({"metadata": {"route": 7}}, "x", "code"),
        ({"metadata": {"route": "7"}}, "x", "other"),
        ({"metadata": {"route": "code"}}, "summarize", "sum"),
        ({"metadata": {"x": True}}, "translate", "both"),
        ({"metadata": {"x": 1}}, "translate", "other"),
        ({"metadata": ["code"]}, "translate", "other"),
        ({}, "translate", "other"),
    ],
)
def test_the_first_kind_that_fits_is_taken(
    record: dict[str, Any], asked: str, kind: str, tmp_path: Path
) -> None:
    """By what the user says, by the value at a path, or by both; else it is `other`."""
    assert kind_of(rules(tmp_path, KINDS).kinds, record, asked) == kind


def test_without_a_file_the_shipped_rules_hold() -> None:
    """And every request is of one kind."""
    assert redacted("a@b.co", shipped_rules().redaction) == "<email>"
    assert kind_of(shipped_rules().kinds, {}, "x") == "other"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- a", "expected a mapping with redact, kinds and conversation"),
        ("", "expected a mapping"),
        ("redact: [", "not valid YAML"),
        ("kind: {}", "kind: unknown key 'kind'; allowed here: redact, kinds, conversation"),
        ("redact: {patterns: {a: {match: '('}}}", "redact.patterns.a.match: '(' is not a regular"),
        ("redact: {patterns: {a: {match: 'x*'}}}", "does not match an empty text"),
        ("redact: {patterns: {a: x}}", "redact.patterns.a: expected a mapping"),
        ("redact: {patterns: {a: {}}}", "redact.patterns.a.match: missing"),
        ("redact: {drop: ['a..b']}", "redact.drop.0: expected keys with dots between"),
        ("redact: {replace: {'a.': x}}", "expected keys with dots between"),
        ("redact: {leave: [emial]}", "did you mean email?"),
        ("kinds: {a: {}}", "kinds.a: expected match, or at with is, or both"),
        ("kinds: {a: {at: x}}", "kinds.a: expected at and is together"),
        ("kinds: {a: {is: x, match: y}}", "kinds.a: expected at and is together"),
        ("kinds: {'<x>': {match: y}}", "kinds"),
        ("conversation: 5", "conversation: expected text"),
    ],
)
def test_what_is_wrong_is_named_with_file_and_field(text: str, said: str, tmp_path: Path) -> None:
    """In a sentence."""
    with pytest.raises(InputError) as error:
        rules(tmp_path, text)

    assert str(error.value).startswith(f"{tmp_path / 'rules.yaml'}:") and said in str(error.value)


def test_the_rules_of_the_documents_are_rules(tmp_path: Path) -> None:
    """All that the page shows."""
    page = Path(__file__).parents[3] / "docs" / "how-to" / "production-requests.md"
    shown = [b.text for b in blocks(page.read_text(encoding="utf-8")) if b.language == "yaml"]

    kinds = [rule.kind for text in shown for rule in rules(tmp_path, text).kinds]

    assert kinds == ["summary", "translation", "code"]


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """With the option that named it."""
    with pytest.raises(InputError, match=r"--rules: no such file"):
        read_rules(tmp_path / "none.yaml")
