"""The latency breakdown for people: a table of its parts and one bar."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from tuner.evaluate.breakdown import Breakdown, Part, Rate
from tuner.report.cells import interval
from tuner.report.closing.lines import Whole, sentences
from tuner.stats.quantiles import Bound

WIDTH = 60

_MARKS: Mapping[str, str] = {"client": "·.", "queue": "▒=", "prefill": "▓+", "decode": "█#"}
_OTHER = "░-"
"""How each part is drawn, as a block and in plain ASCII; all parts with the network look alike."""


@dataclass(frozen=True, slots=True)
class PartsTable:
    """Shows a breakdown; in plain ASCII where colours are unwanted or the terminal is dumb.

    With `verbose` it also says by whom each part is known.
    """

    breakdown: Breakdown
    verbose: bool = True

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the title, the table, the bar and what has to be said about them."""
        plain = console.no_color or console.is_dumb_terminal or options.ascii_only
        yield Text("\nWhere the time went:")
        yield Whole(_table(self.breakdown, plain))
        yield Text(bar(self.breakdown.parts, plain=plain))
        yield from sentences(remarks(self.breakdown, verbose=self.verbose))


def _table(found: Breakdown, plain: bool) -> Table:
    table = Table(show_edge=False, pad_edge=False)
    table.add_column("part", no_wrap=True)
    for column in ("p50 ms", "p99 ms", "share"):
        table.add_column(column, justify="right")
    table.add_column("known")
    for part in found.parts:
        quantiles = [_milliseconds(bound) for bound in part.quantiles.values()]
        table.add_row(
            f"{_mark(part, plain)} {part.name}",
            *quantiles,
            f"{part.share:.1%}",
            part.known,
        )
    return table


def _milliseconds(bound: Bound) -> str:
    """Return a quantile with its interval; from 100 ms on a tenth of one says nothing."""
    return interval(bound, 1000.0, 1 if (bound.value or 0.0) < 0.1 else 0)


def _mark(part: Part, plain: bool) -> str:
    return _MARKS.get(part.name, _OTHER)[plain]


def bar(parts: Sequence[Part], *, plain: bool, width: int = WIDTH) -> str:
    """Return a bar of one line, divided by the shares of the parts; negative ones have no room.

    Cumulated shares are rounded, so that the line is as wide as asked for and no cell is lost.
    """
    shares = [max(0.0, part.share) for part in parts]
    whole, passed, line = sum(shares) or 1.0, 0.0, ""
    for part, share in zip(parts, shares, strict=True):
        passed += share
        line += _mark(part, plain) * (round(passed / whole * width) - len(line))
    return line


def remarks(found: Breakdown, *, verbose: bool = True) -> list[str]:
    """Return what a reader has to know: n, rates, what was left out or came out negative."""
    lines = [
        f"n = {found.n} served requests; {found.left_out} failed ones left out. Parts sum to e2e "
        "in each request; their quantiles do not add up."
    ]
    if verbose:
        lines.append("Known by: " + "; ".join(f"{p.name} - {p.how}" for p in found.parts) + ".")
    lines.append(f"Tokens/s of one stream: prefill {_rate(found.prefill)}, decode "
                 f"{_rate(found.decode)}.")  # fmt: skip
    if found.connects:
        lines.append(
            f"{found.connects} request{'s' * (found.connects != 1)} opened a connection first, "
            f"{found.connecting_s / found.connects * 1000:.1f} ms on average."
        )
    lines += [
        f"{part.name} is negative in {part.negative} requests: the engine claims more time than "
        "the client waited."
        for part in found.parts
        if part.negative
    ]
    return lines


def _rate(rate: Rate | None) -> str:
    return f"{rate.tokens_per_s:.1f} ({rate.known})" if rate else "not told by the engine"
