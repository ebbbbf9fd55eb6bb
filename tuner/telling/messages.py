"""What is said of an event: text for people, and what it does to an incident."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from tuner.spec.identity import digest
from tuner.telling.event import Event
from tuner.telling.incidents import Does

Severity = Literal["info", "success", "warning", "failure"]
"""apprise's types of a message."""

_SAID: Mapping[str, tuple[Severity, Does]] = MappingProxyType(
    {
        "promoted": ("success", "tells"),
        "rolled_back": ("warning", "opens"),
        "target_lost": ("failure", "opens"),
        "failed": ("failure", "opens"),
        "all_clear": ("success", "resolves"),
    }
)

_LONGEST_KEY = 255
"""PagerDuty's limit on a dedup_key (Events API v2)."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message; `key` tells which incident it opens or resolves."""

    title: str
    body: str
    severity: Severity
    does: Does
    key: str


TEST = (
    Message("modelfile-tuner: a test", "An alarm would look so. Nothing happened.", "info",
            "opens", "modelfile-tuner test"),
    Message("modelfile-tuner: a test", "An all-clear would look so.", "success",
            "resolves", "modelfile-tuner test"),
)  # fmt: skip
"""Messages of a test: the second resolves an incident that the first opens."""


def message(event: Event) -> Message:
    """Return what is said of an event."""
    severity, does = _SAID[event.kind]
    title = f"modelfile-tuner: {event.name}: {event.kind.replace('_', ' ')}"
    return Message(title, _body(event), severity, does, _key(event))


def _body(event: Event) -> str:
    known = [f"{name}: {value:g}" for name, value in event.details.items() if value is not None]
    return "\n".join([event.sentence, *known])


def _key(event: Event) -> str:
    """Return the key of an incident: the same for what opens it and what resolves it."""
    key = f"modelfile-tuner {event.name}" if event.key is None else event.key
    return key if len(key) <= _LONGEST_KEY else digest(key)
