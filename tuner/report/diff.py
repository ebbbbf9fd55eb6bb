"""What `tune diff` says: a table of changes with what each costs, and `tuner.diff/1`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.table import Table

from tuner import __version__
from tuner.modelfile.diff import Change, Cost

_WIDTH = 48
_PATHS = ("FROM", "ADAPTER", "DRAFT")
_WORST_FIRST: tuple[Cost, ...] = ("reload", "unknown")
_COSTS: dict[Cost, str] = {
    "nothing": "nothing",
    "reload": "reload",
    "unknown": "base not compared; nothing if the weights are the same, else reload",
}


def diff_document(a: str, b: str, found: Sequence[Change]) -> dict[str, Any]:
    """Return the changes as JSON."""
    return {
        "schema": "tuner.diff/1",
        "tuner_version": __version__,
        "a": a,
        "b": b,
        "changes": [asdict(change) for change in found],
        "cost": cost(found),
    }


def show_diff(a: str, b: str, found: Sequence[Change]) -> Table | str:
    """Return the changes as a table, and a sentence where there are none."""
    if not found:
        return f"{a} and {b} say the same"
    table = Table(caption=f"in service: {_COSTS[cost(found)]}", caption_justify="left")
    for head in ("", a, b, "cost"):
        table.add_column(head, overflow="fold")
    for change in found:
        told = [_short(side, change.what) for side in (change.a, change.b)]
        table.add_row(change.what, *told, change.cost)
    return table


def told_unlike(found: Sequence[Change]) -> str:
    """Say where an edited file is unlike the Modelfile that was measured, which `a` is of."""
    names = [f"FROM (measured: {c.a})" if c.what == "FROM" else c.what for c in found]
    listed = ", ".join(name.removeprefix("PARAMETER ") for name in names)
    return (
        f"left as your file has it, unlike the Modelfile that was measured: {listed}; "
        "the edited file itself was not measured"
    )


def cost(found: Sequence[Change]) -> Cost:
    """Return what all changes together cost a running server."""
    costs = {change.cost for change in found}
    return next((worst for worst in _WORST_FIRST if worst in costs), "nothing")


def _short(text: str | None, what: str) -> str:
    """Return a text on one line, cut at its end; a path stays whole."""
    if text is None:
        return "-"
    if what in _PATHS:
        return text
    line = text.replace("\n", " / ")
    return line if len(line) <= _WIDTH else f"{line[: _WIDTH - 3]}..."
