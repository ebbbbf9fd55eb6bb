"""What an answer tells beside its text: its length in tokens and its time; None is unknown."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

_LARGEST = 2**53


def tokens_of(answer: Any) -> int | None:
    """Return how many tokens an answer of the chat-completions API says that it has."""
    usage = answer.get("usage") if isinstance(answer, dict) else None
    return count(usage.get("completion_tokens") if isinstance(usage, dict) else None)


def created(answer: Any) -> float | None:
    """Return when an answer says that it was made, in seconds since 1970."""
    return seconds(answer.get("created") if isinstance(answer, dict) else None)


def count(value: Any) -> int | None:
    """Return a number of tokens."""
    right = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _LARGEST
    return value if right else None


def seconds(value: Any) -> float | None:
    """Return a number of seconds."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value < _LARGEST else None


def instant(value: Any) -> float | None:
    """Return a time in seconds: a number of them, or what ISO 8601 writes, UTC without a zone."""
    if not isinstance(value, str):
        return seconds(value)
    try:
        found = datetime.fromisoformat(value)
        zoned = found if found.tzinfo is not None else found.replace(tzinfo=UTC)
        return zoned.timestamp()
    except (ValueError, OverflowError):
        return None
