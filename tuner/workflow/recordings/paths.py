"""Places in a JSON value: keys and numbers with dots between, where `*` is any of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Path = tuple[str, ...]


def parsed(text: str) -> Path:
    """Return the steps of a path; raise ValueError for one with an empty step."""
    steps = tuple(text.split("."))
    if not all(steps):
        raise ValueError("expected keys with dots between, such as metadata.route")
    return steps


def found_at(value: Any, path: Path) -> Iterator[Any]:
    """Yield what stands at a path."""
    if not path:
        yield value
        return
    for key in _keys(value, path[0]):
        yield from found_at(value[key], path[1:])


def dropped(value: Any, path: Path) -> tuple[Any, int]:
    """Return a value without what stands at a path, and how often it stood there."""
    if len(path) > 1:
        return _inside(value, path, lambda inner: dropped(inner, path[1:]))
    gone = set(_keys(value, path[0]))
    if isinstance(value, dict):
        return {key: inner for key, inner in value.items() if key not in gone}, len(gone)
    if isinstance(value, list):
        return [inner for n, inner in enumerate(value) if n not in gone], len(gone)
    return value, 0


def replaced(value: Any, path: Path, by: str) -> tuple[Any, int]:
    """Return a value with a text in place of what stands at a path, and how often it stood."""
    if not path:
        return by, 1
    return _inside(value, path, lambda inner: replaced(inner, path[1:], by))


def _inside(value: Any, path: Path, change: Any) -> tuple[Any, int]:
    """Return a value whose parts at the first step of a path are changed; the old one stays."""
    keys = _keys(value, path[0])
    if not keys:
        return value, 0
    new, count = (dict(value) if isinstance(value, dict) else list(value)), 0
    for key in keys:
        new[key], times = change(value[key])
        count += times
    return new, count


def _keys(value: Any, step: str) -> list[Any]:
    """Return the keys of a mapping, or numbers of a list, that a step names."""
    if isinstance(value, dict):
        return list(value) if step == "*" else [step] * (step in value)
    if not isinstance(value, list):
        return []
    if step == "*":
        return list(range(len(value)))
    number = int(step) if step.isascii() and step.isdigit() and len(step) < 10 else -1
    return [number] if 0 <= number < len(value) else []
