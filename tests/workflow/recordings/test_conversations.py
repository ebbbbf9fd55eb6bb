"""Conversations: requests of one are known as such, and lie on one side of the split."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.workflow.recordings.written import FIRST, SECOND, THIRD, Turns
from tuner.spec.values import Message, Role
from tuner.workflow.recordings.conversations import Joined, conversation_of, held_out

ROLES: dict[str, Role] = {"system": "system", "user": "user", "assistant": "assistant"}


def messages(turns: Turns) -> tuple[Message, ...]:
    """Return turns as messages."""
    return tuple(Message(ROLES[role], content) for role, content in turns)


def test_turns_that_begin_alike_are_one_conversation() -> None:
    """Up to the first words of the user; other beginnings are others."""
    first, second, third = (conversation_of({}, messages(t)) for t in (FIRST, SECOND, THIRD))

    assert first == second != third


@pytest.mark.parametrize(
    "record",
    [
        {"conversation_id": "c"},
        {"metadata": {"session_id": "c"}},
        {"request": {"metadata": {"thread_id": "c"}}},
        {"body": {"chat_id": "c"}},
        {"metadata": {"requester_metadata": {"session_id": "c"}}},
    ],
)
def test_an_id_tells_more_than_a_beginning(record: dict[str, Any]) -> None:
    """The same id is the same conversation, another one is another, however they begin."""
    other = {**record, "conversation_id": "d"}

    assert conversation_of(record, messages(FIRST)) == conversation_of(record, messages(THIRD))
    assert conversation_of(other, messages(FIRST)) != conversation_of({}, messages(FIRST))


def test_a_path_of_ones_own_names_a_conversation() -> None:
    """No other place is looked at then."""
    path = ("metadata", "case")
    record = {"conversation_id": "c", "metadata": {"case": 7}}

    found = conversation_of(record, messages(FIRST), path)

    assert found == conversation_of({"metadata": {"case": 7}}, messages(THIRD), path)
    assert found != conversation_of(record, messages(FIRST))


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=20), st.randoms())
def test_what_is_joined_is_one_whatever_the_order(
    pairs: list[tuple[int, int]], random: Any
) -> None:
    """And is named alike, by the least of its members."""
    keys = [bytes([n]) for n in range(10)]
    one, other = Joined(), Joined()
    for a, b in pairs:
        one.join(keys[a], keys[b])
    for a, b in random.sample(pairs, len(pairs)):
        other.join(keys[b], keys[a])

    assert [one.whole(k) for k in keys] == [other.whole(k) for k in keys]
    assert all(one.whole(keys[a]) == one.whole(keys[b]) for a, b in pairs)
    assert all(one.whole(k) <= k for k in keys)


def test_about_half_of_the_conversations_are_held_out() -> None:
    """By hash and seed alone; another seed holds out others."""
    keys = [n.to_bytes(16) for n in range(2000)]

    sides = [held_out(key, 1) for key in keys]

    assert 900 < sum(sides) < 1100
    assert sides == [held_out(key, 1) for key in keys]
    assert 900 < sum(a != held_out(key, 2) for a, key in zip(sides, keys, strict=True)) < 1100
