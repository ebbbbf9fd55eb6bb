"""Show what happened to names in service: as tables, and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from tuner import __version__
from tuner.evaluate.history import History, Row, Serving

_STYLES = {
    "promoted": "green", "rolled_back": "red", "failed": "red", "cut_off": "red",
}  # fmt: skip
_LONG = ("place", "why")
_SHOWN = 24
"""Characters of a version that are shown whole; of a longer one, a digest, the first twelve are."""


def history_document(found: History) -> dict[str, Any]:
    """Return what happened to a name as JSON, `tuner.history/1`; null is unknown."""
    return {
        "schema": "tuner.history/1",
        "tuner_version": __version__,
        "name": found.name,
        "place": found.place,
        "rows": [_row(row) for row in found.rows],
    }


def names_document(found: Sequence[History]) -> dict[str, Any]:
    """Return all names as JSON, `tuner.names/1`, each with its last row; each has one."""
    return {
        "schema": "tuner.names/1",
        "tuner_version": __version__,
        "names": [
            {
                "name": history.name,
                "place": history.place,
                "rows": len(history.rows),
                "promoted": _promoted(history),
                "last": _row(history.rows[-1]),
            }
            for history in found
        ],
    }


def _row(row: Row) -> dict[str, Any]:
    return {
        "number": row.number,
        "began": _iso(row.began),
        "ended": _iso(row.ended),
        "by": row.by,
        "decision": row.decision,
        "why": row.why,
        "serves": None if row.serves is None else {"version": _version(row.serves)},
        "changed": None if row.changed is None else _changed(row.changed),
        "result": None if row.result is None else str(row.result),
    }


def _changed(changed: Mapping[str, tuple[Any, Any]]) -> dict[str, dict[str, Any]]:
    return {name: {"before": before, "now": now} for name, (before, now) in changed.items()}


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat(" ", "seconds")


def _version(serves: Serving) -> str | None:
    return None if serves.version is None else serves.version.id


def _promoted(history: History) -> int:
    return sum(row.decision == "promoted" for row in history.rows)


def show_history(found: History) -> Group:
    """Return what happened to a name for people: a row for each night, promotion and way back."""
    table = _table("#", "when", "by", "decision", "why", "serves then")
    for row in found.rows:
        table.add_row(*_cells(row))
    place = f" in {found.place}" if found.place else ""
    return Group(Text(f"{found.name or '-'}{place}", style="bold"), table)


def show_names(found: Sequence[History]) -> Group:
    """Return all names for people, and how to see more of one."""
    if not found:
        return Group("nothing is known yet: tune apply and tune retune write down what they do")
    table = _table("name", "place", "rows", "promoted", "last", "", "serves")
    for history in found:
        about = (history.name or "-", history.place or "-", str(len(history.rows)))
        _, when, _, decision, _, serves = _cells(history.rows[-1])
        table.add_row(*map(Text, about), str(_promoted(history)), when, decision, serves)
    return Group(table, Text("`tune history NAME` shows all of a name."))


def _table(*columns: str) -> Table:
    """Return an empty table of which only texts of any length are folded."""
    table = Table(show_edge=False, pad_edge=False)
    for column in columns:
        table.add_column(column, no_wrap=column not in _LONG, overflow="fold")
    return table


def _cells(row: Row) -> tuple[Text, ...]:
    """Return number, time, command, decision, reason, and what serves."""
    changed = ", ".join(f"{name}: {a} -> {b}" for name, (a, b) in (row.changed or {}).items())
    why = "\n".join(filter(None, (row.why, changed)))
    decision = Text(row.decision.replace("_", " "), _STYLES.get(row.decision, ""))
    told = (str(row.number), _when(row), row.by.removeprefix("tune "))
    return (*map(Text, told), decision, Text(why), Text(_shown(row.serves)))


def _when(row: Row) -> str:
    """Return when it ended, and of what has no end, when it began; the machine's time."""
    at = row.ended or row.began
    return "-" if at is None else f"{at.astimezone():%Y-%m-%d %H:%M}"


def _shown(serves: Serving | None) -> str:
    if serves is None:
        return "-"
    version = _version(serves)
    if version is None:
        return "nothing"
    return version if len(version) <= _SHOWN else version.removeprefix("sha256:")[:12]
