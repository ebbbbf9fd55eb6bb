"""Take a file apart into JSON records; what is broken is named, and none of it repeated."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from tuner.spec.errors import InputError
from tuner.spec.file.reading import parsed_json, read_text
from tuner.workflow.recordings.told import Broken, Told
from tuner.workflow.traces.lines import Line, lines_of


@dataclass(frozen=True, slots=True)
class Record:
    """One JSON value of a file: its name, its place, and what it holds."""

    name: str
    place: str
    value: Any


def each(path: Path, told: Callable[[Record], Told]) -> Iterator[Told | Broken]:
    """Yield what `told` makes of each record of a file, one a line or all in one array.

    A file is read once, from its beginning to its end: it may be a pipe.
    """
    lines = lines_of(path, strict=False)
    first = next(lines, None)
    if first is None:
        return
    every = chain((first,), lines)
    for record in _of_array(path, every) if first.text.startswith("[") else _of_lines(every):
        yield record if isinstance(record, Broken) else made(record, told)


def made(record: Record, told: Callable[[Record], Told]) -> Told | Broken:
    """Return what `told` makes of a record, or why it cannot."""
    try:
        return told(record)
    except InputError as wrong:
        return Broken(f"{record.place}: {wrong}")


def whole(path: Path) -> Any:
    """Return the record that a file holds; raise InputError where there is none."""
    try:
        text = read_text(path, "a recording")
    except FileNotFoundError:
        raise InputError(f"{path} cannot be read (it is gone)") from None
    return parsed(text, str(path))


def sorted_in(folder: Path, pattern: str) -> list[Path]:
    """Return the files of a folder that a pattern names, by their names; raise InputError."""
    try:
        return sorted(path for path in folder.glob(pattern) if path.is_file())
    except OSError as unreadable:
        raise InputError(f"{folder} cannot be read ({unreadable.strerror})") from None


def parsed(text: str, place: str) -> Any:
    """Return what a JSON text holds; raise InputError, which repeats nothing of it."""
    try:
        json.loads(text)
    except json.JSONDecodeError as broken:
        where = f"{broken.msg} at column {broken.colno}"
        raise InputError(f"{place}: not valid JSON ({where})") from None
    except (ValueError, RecursionError):
        raise InputError(f"{place}: JSON with more digits or levels than can be read") from None
    try:
        return parsed_json(text, place)
    except InputError:
        raise InputError(
            f"{place}: JSON that cannot be sent: a key that stands twice in one object, half a "
            "character, or a number that is none"
        ) from None


def an_object(found: Any) -> dict[str, Any]:
    """Return a value that is an object; raise InputError for any other."""
    if not isinstance(found, dict):
        raise InputError("expected one object a line")
    return found


def _of_array(path: Path, lines: Iterator[Line]) -> Iterator[Record]:
    found = parsed("\n".join(line.text for line in lines), str(path))
    for number, one in enumerate(found, start=1):
        yield Record(f"request-{number}", f"{path}: request {number}", one)


def _of_lines(lines: Iterator[Line]) -> Iterator[Record | Broken]:
    for line in lines:
        try:
            yield Record(f"line-{line.number}", line.place, parsed(line.text, line.place))
        except InputError as wrong:
            yield Broken(str(wrong), cut_off=not line.whole)
