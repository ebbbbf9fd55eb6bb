"""What a recording tells of one request, and why a request has no place among prompts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tuner.spec.errors import InputError
from tuner.spec.values import Message


class NoPlace(InputError):
    """A request that is whole and that no line of a prompts file can hold; the text says why."""


@dataclass(frozen=True, slots=True)
class Told:
    """A record of a recording as it was written: none of it is stored or shown as it is.

    `name` says which one it is, `place` where it stands. `at_s` is its time in seconds from any
    zero, None where nobody says.
    """

    name: str
    place: str
    record: Mapping[str, Any]
    at_s: float | None = None
    answer_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Broken:
    """A record that cannot be read; `why` names its place and repeats nothing of it.

    One that was `cut_off` is the end of a file that was still being written.
    """

    why: str
    cut_off: bool = False


@dataclass(frozen=True, slots=True)
class Chat:
    """What is asked: messages that end with the user's, and the fields beside them."""

    messages: tuple[Message, ...]
    beside: tuple[str, ...] = ()

    @property
    def asked(self) -> str:
        """Return what the user says, as dynamic shots look at it."""
        return "\n".join(m.content for m in self.messages if m.role == "user")
