"""What is told, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from tuner.spec.notify import EventKind

State = Literal["sent", "understood", "left_out", "failed"]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a name in service.

    `details` are numbers with what they are as their names, units included; None is unknown and
    is not told. An `all_clear` resolves what other events with its `key` opened; None stands for
    the name itself.
    """

    kind: EventKind | Literal["all_clear"]
    name: str
    sentence: str
    details: Mapping[str, float | None] = field(default_factory=dict)
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of an event at one target.

    `target` says where its URL stands, never what it holds; `service` is the kind of service,
    None where nobody could tell. `reason` says why it was not sent.
    """

    target: str
    service: str | None
    state: State
    reason: str | None = None

    def __str__(self) -> str:
        service = f" ({self.service})" if self.service else ""
        why = f": {self.reason}" if self.reason else ""
        return f"{self.target}{service}: {self.state.replace('_', ' ')}{why}"
