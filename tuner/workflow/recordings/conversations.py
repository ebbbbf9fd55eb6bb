"""Which requests belong to one conversation, and on which side of the split each one lies.

A conversation is named by an id that the record carries; without one, requests belong together that
begin alike, up to the first words of the user. Conversations that share a prompt are joined: it
stands once in the file, and so on one side.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from tuner.spec.values import Message
from tuner.workflow.recordings.paths import Path, found_at

_IDS = ("conversation_id", "session_id", "thread_id", "chat_id")
_BEFORE: tuple[Path, ...] = ((), ("request",), ("body",))
_BESIDE: tuple[Path, ...] = ((), ("metadata",), ("metadata", "requester_metadata"))

ID_PLACES: tuple[Path, ...] = tuple(
    (*before, *beside, name) for before in _BEFORE for beside in _BESIDE for name in _IDS
)
"""Where records carry the id of a conversation."""


def conversation_of(
    record: Mapping[str, Any], messages: tuple[Message, ...], named: Path | None = None
) -> bytes:
    """Return a digest that is the same for all requests of a conversation.

    `named` is the path of its id, where somebody says; else ID_PLACES are looked at.
    """
    places = ID_PLACES if named is None else (named,)
    found = next(_ids(record, places), None)
    key = f"id {found!r}" if found is not None else f"begins {_beginning(messages)!r}"
    return _digest(key)


def held_out(conversation: bytes, seed: int) -> bool:
    """Tell whether a conversation is kept for the proof: one in two is, by its hash and a seed."""
    return _digest(f"{seed} {conversation.hex()}")[0] % 2 == 1


def place_of(key: bytes, seed: int) -> bytes:
    """Return where a seed puts something in a random order that depends on nothing else."""
    return _digest(f"place {seed} {key.hex()}")


@dataclass(slots=True)
class Joined:
    """Conversations that share prompts, as one each (union-find; the least digest names it)."""

    _above: dict[bytes, bytes] = field(default_factory=dict)

    def whole(self, conversation: bytes) -> bytes:
        """Return the digest that stands for all conversations that are joined to this one."""
        top = conversation
        while (above := self._above.get(top, top)) != top:
            top = above
        while (above := self._above.get(conversation, top)) != top:
            self._above[conversation] = top
            conversation = above
        return top

    def join(self, one: bytes, other: bytes) -> None:
        """Make one of two conversations."""
        low, high = sorted((self.whole(one), self.whole(other)))
        self._above[high] = low


def _ids(record: Mapping[str, Any], places: tuple[Path, ...]) -> Iterator[str | int]:
    for place in places:
        for value in found_at(record, place):
            if isinstance(value, str | int) and not isinstance(value, bool) and value != "":
                yield value


def _beginning(messages: tuple[Message, ...]) -> list[tuple[str, str]]:
    """Return what all turns of a conversation begin with: up to the user's first words."""
    first = next((n for n, m in enumerate(messages) if m.role == "user"), len(messages))
    return [(m.role, m.content) for m in messages[: first + 1]]


def _digest(text: str) -> bytes:
    return sha256(text.encode("utf-8", "surrogatepass")).digest()[:16]
