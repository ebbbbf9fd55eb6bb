"""Read recordings of requests, checked line by line.

Sources: Azure Public Dataset (AzureLLMInferenceDataset2023.md, ...2024.md); Mooncake's FAST'25
release (FAST25-release/traces/README.md).
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice, pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from tuner.spec.errors import InputError
from tuner.spec.file.checked import validated
from tuner.spec.file.parts import Number, Part
from tuner.spec.file.reading import parsed_json
from tuner.workflow.traces.lines import Line, lines_of
from tuner.workflow.traces.recorded import BLOCK, Format, Recorded, Recording

COLUMNS = ("TIMESTAMP", "ContextTokens", "GeneratedTokens")
_MOST = 2**31


def _count(value: Any) -> int:
    found = int(value) if isinstance(value, str) and re.fullmatch(r"[0-9]{1,10}", value) else value
    if isinstance(found, bool) or not isinstance(found, int) or not 0 <= found < _MOST:
        raise ValueError("expected a whole number of tokens, 0 or more")
    return found


def _instant(value: Any) -> datetime:
    try:
        found = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise ValueError("expected a time such as 2023-11-16 18:17:03.9799600") from None
    return found


def _id(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("expected whole numbers")
    return value


Count = Annotated[int, BeforeValidator(_count)]
Instant = Annotated[datetime, BeforeValidator(_instant)]
Ids = tuple[Annotated[int, BeforeValidator(_id)], ...]


class _Line(Part):
    """A line of somebody else's recording; what else stands there is not read."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)


class AzureLine(_Line):
    """A row of the Azure traces."""

    at: Instant = Field(alias=COLUMNS[0])
    input_tokens: Count = Field(alias=COLUMNS[1])
    output_tokens: Count = Field(alias=COLUMNS[2])


class MooncakeLine(_Line):
    """A line of the Mooncake traces; `timestamp` is in milliseconds."""

    timestamp: Number
    input_tokens: Count = Field(alias="input_length")
    output_tokens: Count = Field(alias="output_length")
    hash_ids: Ids = ()


class JsonLine(Part):
    """A line of a recording of one's own; its time is in one of three fields."""

    at_s: Number | None = None
    at_ms: Number | None = None
    at: Instant | None = None
    input_tokens: Count = Field(alias="prompt_tokens")
    output_tokens: Count
    hash_ids: Ids = ()

    @model_validator(mode="after")
    def _one_time(self) -> JsonLine:
        given = [t for t in (self.at_s, self.at_ms, self.at) if t is not None]
        if len(given) != 1:
            raise ValueError("expected its time in one of the fields at_s, at_ms and at")
        return self


def read(path: Path, format_: Format, first: int | None = None) -> Recording:
    """Return the `first` requests of a file, or all of them, in the order of their times.

    A last line that breaks off is left out and noted. Raises InputError for what is wrong, with
    file, line and field, and for a recording of fewer than two instants, which has no pace.
    """
    broken_off: list[str] = []
    rows = _ROWS[format_](lines_of(path), broken_off)
    found = list(islice(rows, first))
    if not found:
        raise InputError(f"{path}: no request in it; expected one a line")
    ordered = tuple(sorted(found, key=lambda r: r.at_s))
    if ordered[0].at_s == ordered[-1].at_s:
        raise InputError(
            f"{path}: {len(found)} requests, all at one time; expected a recording that lasts"
        )
    unordered = sum(a.at_s > b.at_s for a, b in pairwise(found))
    late = [f"{unordered} lines come before what stands above them: put in order"]
    return Recording(ordered, (*broken_off, *(late if unordered else [])))


def _each(
    lines: Iterator[Line], broken_off: list[str], parse: Callable[[Line], Recorded]
) -> Iterator[Recorded]:
    for line in lines:
        try:
            yield parse(line)
        except InputError as wrong:
            if line.whole:
                raise
            broken_off.append(f"the last line breaks off and is left out: {wrong}")


def _azure(lines: Iterator[Line], broken_off: list[str]) -> Iterator[Recorded]:
    head = next(lines, None)
    if head is None:
        return
    columns = _columns(head)
    zones: set[bool] = set()

    def parse(line: Line) -> Recorded:
        cells = _cells(line)
        if len(cells) != len(columns):
            raise InputError(f"{line.place}: expected {len(columns)} values, found {len(cells)}")
        row = validated(
            AzureLine, dict(zip(columns, cells, strict=True)), line.place, whole="the line"
        )
        return _recorded(line, _seconds(row.at, zones, f"{line.place}: {COLUMNS[0]}"), row)

    yield from _each(lines, broken_off, parse)


def _columns(head: Line) -> list[str]:
    """Return the names of the columns, those that are read as COLUMNS writes them."""
    known = {name.lower(): name for name in COLUMNS}
    columns = [known.get(cell.lower(), cell) for cell in _cells(head)]
    for name in COLUMNS:
        if columns.count(name) != 1:
            raise InputError(
                f"{head.place}: expected the names of columns, {', '.join(COLUMNS)} among them, "
                f"found {head.text[:200]!r}"
            )
    return columns


def _cells(line: Line) -> list[str]:
    try:
        return [cell.strip() for cell in next(csv.reader([line.text], strict=True))]
    except csv.Error as broken:
        raise InputError(f"{line.place}: not a line of CSV ({broken})") from None


def _mooncake(lines: Iterator[Line], broken_off: list[str]) -> Iterator[Recorded]:
    def parse(line: Line) -> Recorded:
        row = validated(MooncakeLine, _object(line), line.place, whole="the line")
        return _recorded(line, row.timestamp / 1000, row, row.hash_ids)

    yield from _each(lines, broken_off, parse)


def _jsonl(lines: Iterator[Line], broken_off: list[str]) -> Iterator[Recorded]:
    zones: set[bool] = set()

    def parse(line: Line) -> Recorded:
        row = validated(JsonLine, _object(line), line.place, whole="the line")
        at_s = row.at_s if row.at_ms is None else row.at_ms / 1000
        if row.at is not None:
            at_s = _seconds(row.at, zones, f"{line.place}: at")
        return _recorded(line, float(at_s or 0.0), row, row.hash_ids)

    yield from _each(lines, broken_off, parse)


def _object(line: Line) -> Mapping[str, Any]:
    found = parsed_json(line.text, line.place)
    if not isinstance(found, dict):
        raise InputError(f"{line.place}: expected one object a line, found {line.text[:200]}")
    return found


def _seconds(at: datetime, zones: set[bool], where: str) -> float:
    """Return seconds of a time; raise InputError where only some times have a zone."""
    zones.add(at.tzinfo is not None)
    if len(zones) > 1:
        raise InputError(f"{where}: some times have a zone and some have none; expected one way")
    zoned = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return (zoned - datetime.fromtimestamp(0, UTC)).total_seconds()


def _recorded(
    line: Line, at_s: float, row: AzureLine | MooncakeLine | JsonLine, ids: tuple[int, ...] = ()
) -> Recorded:
    """Return a request; raise InputError for more blocks than its prompt has room for."""
    most = -(-row.input_tokens // BLOCK)
    if len(ids) > most:
        raise InputError(
            f"{line.place}: hash_ids: expected at most {most} ids of {BLOCK} tokens for a prompt "
            f"of {row.input_tokens}, found {len(ids)}"
        )
    return Recorded(line.place, line.number, at_s, row.input_tokens, row.output_tokens, ids)


_ROWS: Mapping[Format, Callable[[Iterator[Line], list[str]], Iterator[Recorded]]] = (
    MappingProxyType({"azure": _azure, "mooncake": _mooncake, "jsonl": _jsonl})
)
