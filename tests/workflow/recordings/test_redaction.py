"""Redaction: what tells who somebody is does not survive it, and other texts do."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tuner.spec.values import Message
from tuner.workflow.recordings.patterns import SHIPPED
from tuner.workflow.recordings.redaction import Redaction, Rule, shipped, told_names
from tuner.workflow.recordings.told import Chat

FOUND = {
    "email": ["anna.b+c@mail.example.org", "jürgen@example.de", "x@sub.example.co"],
    "secret": [
        "sk-proj-abcdEFGH1234", "ghp_abcdefghij0123456789", "github_pat_11ABCDEFG0123456789ab",
        "AKIAABCDEFGHIJKLMNOP", "hf_abcdefghijABCDEFGHIJ", "xoxb-1234567890-abc",
        "eyJhbGciOiJI.eyJzdWIiOiIx.sig_nature", "glpat-abcdefghij012345",
        "-----BEGIN RSA PRIVATE KEY-----\nMIIE\nabc=\n-----END RSA PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\nMIIE and no end",
    ],
    "iban": ["DE89370400440532013000", "GB82 WEST 1234 5698 7654 32", "nl91abna0417164300"],
    "card": ["4111 1111 1111 1111", "5500-0055-5555-5559", "378282246310005"],
    "ip": ["192.168.17.4", "2001:db8::8a2e:370:7334", "fe80::1"],
    "phone": ["+49 (170) 123-4567", "0170 12 34 567", "(030) 1234567", "555-123-4567"],
}  # fmt: skip
"""What the shipped rules are for, with numbers that belong to nobody."""

LEFT = [
    "The meeting is on 2030-01-02 at 09:30:15, room 4.02, for 3 people.",
    "def f(x): return std::vector<int>{1, 2, 3}; // 3.14159, 0x1f, v1.2.3",
    "Order 1234567890123456 and invoice 2029-000123.",  # no check digit is right
    "a@b, @name, 10:20:30, 256.1.1.1.1, ratio 3:2, sk-learn, Bearer of news",
    "DE00370400440532013000 is not an IBAN",
    "The password is yours to choose. Secret santa: who?",
    "1 2 3 4 5 6 7 8 9 10 11 12",
]
"""What stays as it is."""


def redacted(text: str, redaction: Redaction | None = None, **record: Any) -> str:
    """Return a text as a redaction leaves it."""
    return counted(text, redaction, **record)[0]


def counted(
    text: str, redaction: Redaction | None = None, **record: Any
) -> tuple[str, Mapping[str, int]]:
    """Return a text as a redaction leaves it, and how often its rules found something."""
    counts: Counter[str] = Counter()
    used = Redaction(shipped()) if redaction is None else redaction
    chat = Chat((Message("user", text),))
    found = used.chat(chat, told_names(record), counts)
    return found.messages[0].content, {name: n for name, n in counts.items() if n}


CASES = [(rule, text) for rule, texts in FOUND.items() for text in texts]


@pytest.mark.parametrize(("rule", "text"), CASES)
@pytest.mark.parametrize("around", ["{}", "see {}.", "({}), again {}", "x: {}\nnext", "a={};"])
def test_a_shipped_rule_finds_what_it_is_for(rule: str, text: str, around: str) -> None:
    """Whatever stands around it, as often as it stands there."""
    times = around.count("{}")
    expected = around.replace("{}", f"<{rule}>")
    if "no end" in text:  # nobody knows where a key without an end ends
        expected, times = f"{around[: around.index('{}')]}<{rule}>", 1

    assert counted(around.replace("{}", text)) == (expected, {rule: times})


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Authorization: Bearer abc.def-123456", "Authorization: Bearer <secret>"),
        ("password=hunter22", "password=<secret>"),
        ('{"client_secret": "abcd"}', '{"client_secret": "<secret>"}'),
        ("AWS_SECRET_ACCESS_KEY = 'abc/def+ghi'", "AWS_SECRET_ACCESS_KEY = '<secret>'"),
        ("clientSecret: abcd", "clientSecret: <secret>"),
        ("postgres://joe:s3cret@db.example.org/x", "postgres://<secret>@db.example.org/x"),
        ("addr:2001:db8::1", "addr:<ip>"),
        ("10.0.0.1:8080", "<ip>:8080"),
        ("a@b.co,c@d.co", "<email>,<email>"),
        ("card 1 4111 1111 1111 1111 ok", "card 1 <card> ok"),
        ("AT611904300234573201 thanks", "<iban> thanks"),
        ("AT61 1904 3002 3457 3201 thanks", "<iban> thanks"),
    ],
)
def test_what_stands_around_is_kept(text: str, left: str) -> None:
    """Only the value of a password goes, and no word behind a number."""
    assert redacted(text) == left


@pytest.mark.parametrize("text", LEFT)
def test_other_texts_stay(text: str) -> None:
    """Times, versions, code, and numbers whose check digits are wrong."""
    assert redacted(text) == text


pieces = st.sampled_from([*(text for _, text in CASES), *" \n-.:@07+a<(é"]) | st.text(max_size=5)
texts = st.lists(pieces, max_size=8).map("".join)


@given(texts)
@example("1234" * 6)
@example("0170 1234567 2024 01 01 11 12 13")
@example("password=password=abcd")
@example("4111 1111 1111 11114111 1111 1111 1111")
@example("://a:b@c@d.ef")
def test_nothing_that_a_shipped_rule_finds_survives(text: str) -> None:
    """However pieces are put together; and what was redacted stays as it is."""
    left = redacted(text)

    assert {name: list(find(left)) for name, find in SHIPPED.items() if list(find(left))} == {}
    assert redacted(left) == left


@given(texts, st.sampled_from(CASES), texts)
def test_a_secret_between_spaces_never_survives(
    before: str, case: tuple[str, str], after: str
) -> None:
    """Whatever stands before it and behind."""
    assert f" {case[1]} " not in redacted(f"{before} {case[1]} {after}")


@pytest.mark.parametrize(
    "record",
    [
        {"user": "Erika Mustermann"},
        {"metadata": {"customer_name": "Erika Mustermann"}},
        {"request": {"messages": [{"role": "user", "name": "Erika Mustermann"}]}},
        {"body": {"metadata": {"user": {"x": 1}, "author": "Erika Mustermann"}}},
        {"metadata": {"requester_metadata": {"username": "Erika Mustermann"}}},
    ],
)
def test_names_that_fields_tell_are_taken_out_of_texts(record: dict[str, Any]) -> None:
    """Whole and word by word, however they are written."""
    text = "Dear ERIKA MUSTERMANN, Frau Mustermann has a Mustermannhaus; erika."

    found, counts = counted(text, **record)

    assert found == "Dear <name>, Frau <name> has a Mustermannhaus; <name>."
    assert counts == {"name": 3}


def test_a_name_may_stand_in_several_fields() -> None:
    """However they are spelled."""
    told = {"firstName": "Erika", "family_name": "Mustermann", "user_email": "erika.m"}

    assert redacted("Erika Mustermann, erika.m", metadata=told) == "<name> <name>, <name>"


@pytest.mark.parametrize(
    "record",
    [
        {"user": "user"},
        {"messages": [{"role": "user", "name": "assistant"}]},
        {"user": 7, "metadata": "x"},
        {"tools": [{"function": {"name": "colour"}}]},
        {"user": "4"},
        {"metadata": {"model_name": "colour", "user_agent": "colour/4"}},
        {"user": "<name> colour>"},
    ],
)
def test_what_names_nobody_is_no_name(record: dict[str, Any]) -> None:
    """Roles, numbers and the names of tools."""
    assert redacted("user assistant colour 4", **record) == "user assistant colour 4"


def test_a_rule_that_is_left_out_finds_nothing() -> None:
    """Others still do."""
    used = Redaction(shipped(frozenset({"phone"})), names=False)

    text = redacted("555-123-4567 of Erika: a@b.co", used, user="Erika")

    assert text == "555-123-4567 of Erika: <email>"


def test_a_rule_of_ones_own_comes_first_and_is_counted() -> None:
    """By its name."""
    own = Rule("ticket", lambda t: (m.span() for m in re.finditer(r"T-\d+", t)), "<ticket>")

    found = counted("T-4111111111111111 T-1", Redaction(shipped(), (own,)))

    assert found == ("<ticket> <ticket>", {"ticket": 2})


def test_a_rule_that_finds_what_it_puts_in_comes_to_an_end() -> None:
    """It goes once over a text; what it puts in is redacted by the shipped rules."""
    own = Rule("grow", lambda t: (m.span() for m in re.finditer("a", t)), "a@b.co a")

    assert redacted("a ba", Redaction(shipped(), (own,))) == "<email> a <email> a"


def test_a_name_that_is_that_of_a_rule_comes_to_an_end() -> None:
    """`<name>` holds no name."""
    assert redacted("name, email a@b.co", user="name email") == "<name>, <name> <email>"


def test_fields_are_dropped_and_replaced_by_path() -> None:
    """Counted by the path; the record itself stays as it was."""
    record = {"a": {"b": [{"c": "x", "d": 1}, {"c": "y"}]}, "e": "z", "f": [1, 2]}
    counts: Counter[str] = Counter()
    used = Redaction(
        (), drop=(("a", "b", "*", "d"), ("e",), ("none", "x")), replace=((("a", "b", "1"), "gone"),)
    )

    found = used.fields(record, counts)

    assert found == {"a": {"b": [{"c": "x"}, "gone"]}, "f": [1, 2]}
    assert {k: n for k, n in counts.items() if n} == {"a.b.*.d": 1, "e": 1, "a.b.1": 1}
    assert record["e"] == "z"


def test_long_texts_take_no_time() -> None:
    """No pattern goes back and forth in what it cannot match: a minute would be needed else."""
    for piece in ("a", "1", "1 ", "a.", "a:", "+1 ", "0 12 ", "sk-", "DE89 ", "password=", "://a:"):
        redacted(piece * (50_000 // len(piece)))
