"""A study's values with their origins: for people, and as `tuner.config/1`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from tuner import __version__
from tuner.spec.origin import Configured, Origin


def configuration_document(file: str, values: Sequence[Configured]) -> dict[str, Any]:
    """Return the values as JSON."""
    return {
        "schema": "tuner.config/1",
        "tuner_version": __version__,
        "study": file,
        "values": [asdict(value) for value in values],
    }


def show_configuration(file: str, values: Sequence[Configured]) -> Group:
    """Return the values as a table, in the order of a study file; lines are those of `file`."""
    table = Table(show_edge=False, pad_edge=False)
    table.add_column("key", no_wrap=True)
    table.add_column("value", overflow="fold")
    table.add_column("from", no_wrap=True)
    for value in values:
        table.add_row(value.key, Text(_cell(value)), _from(value.origin))
    return Group(Text(f"study: {file}", overflow="fold"), table)


def _from(origin: Origin) -> str:
    return f"line {origin.line}" if origin.line else origin.name or origin.source


def _cell(value: Configured) -> str:
    note = f" (left out: {value.note})" if value.note else ""
    return _plain(value.value) + (f" {value.unit}" if value.unit and value.value else "") + note


def _plain(value: Any) -> str:
    """Return a value as a study file would have it; nothing that is asked for is `-`."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_plain, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{k}: {_plain(v)}' for k, v in value.items())}}}"
    return str(value)
