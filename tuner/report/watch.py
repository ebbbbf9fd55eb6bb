"""Show what is seen of a server that is watched: lines, a live table, and JSON lines."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from tuner.evaluate.watched import Figures, Watched
from tuner.report.cells import interval
from tuner.report.check import STYLES
from tuner.report.documents import bound_document
from tuner.spec.values import Metric
from tuner.stats.quantiles import Bound

SHOWN_ROWS = 20


def watched_document(seen: Watched) -> dict[str, Any]:
    """Return one look as JSON, `tuner.watched/1`; seconds throughout.

    A percentile that the requests of the window do not carry has no value.
    """
    figures = seen.figures
    return {
        "schema": "tuner.watched/1",
        "at_s": round(seen.at_s, 3),
        "window_s": seen.window_s,
        "state": seen.state,
        "changed": seen.changed,
        "missed": list(seen.missed),
        "n": figures.n,
        "waiting": figures.waiting,
        "failures": figures.failures,
        "late": {
            name: {"least": late.least, "most": late.most, "n": late.n}
            for name, late in figures.late.items()
        },
        **{m: _quantiles(found) for m, found in figures.quantiles.items()},
        "guard": {name: bound_document(share) for name, share in figures.guard.items()},
        "throughput": dict(figures.throughput),
        "not_judged": list(seen.unjudged),
        "notes": list(seen.notes),
    }


def _quantiles(found: Any) -> dict[str, Any]:
    return {f"{q:g}": bound_document(carried(bound)) for q, bound in found.items()}


def carried(bound: Bound) -> Bound:
    """Return a quantile without its value where the requests show no upper end for it."""
    return bound if bound.high is not None else Bound(None, bound.low, None)


def why(seen: Watched) -> str:
    """Say in one line where a server stands."""
    if seen.state == "lost":
        return f"lost: {', '.join(seen.missed)}"
    if seen.state == "undecided" and seen.figures.n == 0:
        return "undecided: no request in the last window"
    return seen.state


def line(seen: Watched) -> str:
    """Return one look as a line."""
    cells = _cells(seen.figures)
    said = f"{clock(seen.at_s)}  {', '.join(f'{name} {value}' for name, value in cells)}"
    mark = "* " if seen.changed else ""
    return f"{said}  {mark}{why(seen)}"


def clock(seconds: float) -> str:
    """Return a time since the beginning as hours, minutes and seconds."""
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def _cells(figures: Figures) -> list[tuple[str, str]]:
    """Return what is shown of a window: a name and a text each."""
    found = [("n", str(figures.n))]
    for metric, quantiles in figures.quantiles.items():
        found += [
            (f"{metric} p{q * 100:g} ms", _quantile(metric, bound, figures.n))
            for q, bound in quantiles.items()
        ]
    late = ", ".join(
        f"{c.least}" if c.least == c.most else f"{c.least} to {c.most}"
        for c in figures.late.values()
    )
    rates = [("req/s", figures.throughput.get("requests_per_s")),
             ("tok/s", figures.throughput.get("output_tokens_per_s"))]  # fmt: skip
    shares = [(f"{name} %", interval(s, 100, 1)) for name, s in figures.guard.items() if figures.n]
    return [
        *found,
        *([("late", late)] if late else []),
        *((name, f"{rate:.3g}") for name, rate in rates if rate is not None and figures.n),
        *shares,
    ]


def _quantile(metric: Metric, bound: Bound, n: int) -> str:
    """Return a quantile in milliseconds with its interval, `-` where n does not carry it."""
    shown, digits = carried(bound), 1 if metric == "tpot" else 0
    if shown.value is None and shown.low is None and shown.high is None:
        return "-"
    if shown.value is None:
        ends = (shown.low, shown.high)
        low, high = ("?" if e is None else f"{e * 1000:.{digits}f}" for e in ends)
        return f"[{low}, {high}]"
    return interval(shown, 1000.0, digits)


def summary(seen: Watched | None, adds: str) -> list[str]:
    """Return the lines with which a watch ends."""
    if seen is None:
        return ["undecided: nothing was seen yet"]
    return [
        f"{why(seen)}, after {clock(seen.at_s)}; {adds}",
        *(f"not judged: {said}" for said in seen.unjudged),
    ]


class Lines:
    """Prints each look as a line."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def show(self, seen: Watched) -> None:
        """Print one look, and what was noticed since the one before."""
        for note in seen.notes:
            self._console.print(f"   {note}", markup=False)
        self._console.print(line(seen), markup=False)

    def close(self) -> None:
        """Do nothing: lines need no end."""


class LiveTable:
    """Shows the last looks as a table that is drawn anew, the newest at the bottom."""

    def __init__(self, console: Console, rows: int = SHOWN_ROWS) -> None:
        self._seen: deque[Watched] = deque(maxlen=rows)
        # drawn when something is new: drawing takes time from what is measured
        self._live = Live(console=console, auto_refresh=False)
        self._live.start()

    def show(self, seen: Watched) -> None:
        """Draw the table with one look more."""
        self._seen.append(seen)
        for note in seen.notes:
            self._live.console.print(f"   {note}", markup=False)
        self._live.update(table(self._seen), refresh=True)

    def close(self) -> None:
        """Leave the table as it is."""
        self._live.stop()


def table(looks: Sequence[Watched] | deque[Watched]) -> Table:
    """Return looks as a table; its columns are what any of them tells."""
    names = list(dict.fromkeys(name for seen in looks for name, _ in _cells(seen.figures)))
    found = Table(show_edge=False, pad_edge=False)
    for column in ("after", *names, "state"):
        found.add_column(column, justify="right" if column != "state" else "left")
    for seen in looks:
        cells = dict(_cells(seen.figures))
        state = Text(why(seen), style=STYLES[seen.state])
        found.add_row(clock(seen.at_s), *(cells.get(name, "-") for name in names), state)
    return found
