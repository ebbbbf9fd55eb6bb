"""Show the rounds of an iteration: what each came to, and what another one would have brought."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text


def show_rounds(document: Mapping[str, Any], report: str) -> Group:
    """Return the report of the best round, a table of all rounds, and why they ended.

    `document` is the result of the iteration. A gain is the share by which the worst target's
    latency is expected to become smaller in another round.
    """
    table = Table(title="Rounds", title_justify="left")
    for column in ("round", "verdict", "error", "minutes", "trials", "another would bring"):
        table.add_column(column, justify="left" if column == "verdict" else "right")
    for one in document["rounds"]:
        chosen = " *" if one["number"] == document["best_round"] else ""
        table.add_row(
            f"{one['number']}{chosen}", one["verdict"], f"{100 * one['error']:.3g} %",
            f"{one['seconds'] / 60:.1f}", str(one["trials"]), _hope(one["prospect"]),
        )  # fmt: skip
    said = (document["iteration"] or {}).get("said", "")
    return Group(Text(report.rstrip()), table, Text(f"{said[:1].upper()}{said[1:]}."))


def _hope(prospect: Mapping[str, Any]) -> str:
    gain = prospect["gain"]
    return "unknown" if gain is None else f"{-100 * math.expm1(-gain):.1f} %"
