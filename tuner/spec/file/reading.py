"""Read the text and JSON files of a user strictly: nothing is lost, and nothing is guessed."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tuner.spec.errors import InputError


def read_text(path: Path, where: str) -> str:
    """Return the text of a UTF-8 file without its byte order mark.

    Raises FileNotFoundError, and InputError, which begins with `where`, for what is no text.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise
    except UnicodeDecodeError as broken:
        raise InputError(
            f"{where}: {path} cannot be read: it is not UTF-8 ({broken.reason} at byte "
            f"{broken.start}); save it as UTF-8"
        ) from None
    except OSError as unreadable:
        raise InputError(f"{where}: {path} cannot be read ({unreadable})") from None


def whole_text(text: str) -> str:
    r"""Return a text with halves of characters joined: JSON writes 😀 as \ud83d\ude00.

    Raises ValueError for a half that is alone, which no encoding can send.
    """
    try:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
    except UnicodeDecodeError:
        half = next(c for c in text if "\ud800" <= c <= "\udfff")
        raise ValueError(
            f"holds half a character (\\u{ord(half):x}); expected whole characters: correct or "
            "remove it"
        ) from None


def regex_problem(pattern: str) -> str | None:
    """Return why a text is no regular expression, None where it is one."""
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as broken:
        return f"{pattern!r} is not a regular expression ({broken})"
    return None


def parsed_json(text: str, place: str) -> Any:
    """Return what a JSON text holds; raise InputError, beginning with `place`, if it is broken.

    Refused are also keys that stand twice, halves of characters, NaN and Infinity.
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        for key, times in Counter(key for key, _ in pairs).items():
            if times > 1:
                raise InputError(f"{place}: {key!r} stands twice in one object; keep one of them")
        return dict(pairs)

    try:
        found = json.loads(text, object_pairs_hook=unique)
        fault = next(_faults(found, ()), None)
    except RecursionError:
        raise InputError(f"{place}: not valid JSON (nested too deeply)") from None
    except ValueError as broken:
        raise InputError(f"{place}: not valid JSON ({broken})") from None
    if fault is not None:
        at, problem = fault
        raise InputError(f"{place}: {'.'.join(at) or 'the text'}: {problem}")
    return found


def _faults(value: Any, at: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield where a JSON value holds what cannot be sent, and what that is."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _faults(key, at)
            yield from _faults(inner, (*at, key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _faults(inner, (*at, str(number)))
    elif isinstance(value, str):
        try:
            whole_text(value)
        except ValueError as half:
            yield at, str(half)
    elif isinstance(value, float) and value - value != 0:
        yield at, f"expected a finite number, found {value}, which JSON does not have"
