"""Show how much load a configuration carries: as JSON and as a table with a curve."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tuner import __version__
from tuner.evaluate.capacity import Capacity
from tuner.evaluate.failures import in_words
from tuner.report.closing.lines import Line, Whole, bullets
from tuner.report.closing.rows import quantile_text, rate_text
from tuner.report.closing.verdict import STYLE, targets_in_words
from tuner.report.documents import measurement_document
from tuner.spec.study import Study

TOGETHER = "What was in flight together counts as one, unless the study takes it apart."

BAR = 20
"""Characters of the longest bar of the curve."""


def capacity_document(
    found: Capacity, study: Study, environment: Mapping[str, Any]
) -> dict[str, Any]:
    """Return a capacity as JSON: `tuner.capacity/1`."""
    return {
        "schema": "tuner.capacity/1",
        "tuner_version": __version__,
        "study": study.name,
        "load": found.unit,
        "highest": found.highest.size if found.highest else None,
        "next": found.next.size if found.next else None,
        "complete": found.complete,
        "levels": [
            {
                "size": level.size,
                "verdict": level.verdict,
                **measurement_document(level.measured, level.study, environment),
            }
            for level in sorted(found.levels, key=lambda v: v.size)
        ],
    }


def show_capacity(found: Capacity, study: Study, *, verbose: bool = False) -> Group:
    """Return the answer, the latency against the load, and what makes a reader doubt it."""
    parts: list[RenderableType] = [_answer(found, study), Line("Holds for", _holds_for(found))]
    parts += bullets(_warnings(found))
    parts += [Text(""), Whole(_table(found, study))]
    if verbose:
        parts.append(Line("", TOGETHER))
    return Group(*parts)


def _holds_for(found: Capacity) -> str:
    surest = min(
        (c.confidence for v in found.levels for c in v.measured.certificates.values()), default=None
    )
    sure = "" if surest is None else f"; each verdict at {surest:.2%} confidence"
    said = "one engine start, from which all levels come"
    n = sum(v.measured.n for v in found.levels)
    return f"{said}; {n} requests in all{sure}."


def _warnings(found: Capacity) -> Iterator[str]:
    for level in found.levels:
        m = level.measured
        if m.saturated:
            yield m.saturated
        if m.failure_reasons:
            yield f"at {level.size:.4g}: {in_words(m.failure_reasons, m.n)}"


def _answer(found: Capacity, study: Study) -> Line:
    highest = found.highest
    if highest is None:
        targets = ", ".join(map(str, study.slos))
        words = f"NOT PROVEN: not even the lowest load is proven to meet {targets}"
        return Line("", f"{words}{_then(found)}.", STYLE["FAIL"])
    words = f"PROVEN up to {highest.size:.4g} {found.unit}"
    shown = targets_in_words(highest.study, highest.measured)
    return Line("", f"{words}: {shown.removesuffix('.')}{_then(found)}.", STYLE["PASS"])


def _then(found: Capacity) -> str:
    """Say what the next load came to, and whether the search was cut."""
    words, beyond = "", found.next
    if beyond is not None:
        words += f"; at {beyond.size:.4g} it is {beyond.verdict}"
    return words if found.complete else f"{words}; the budget ended the search"


def _table(found: Capacity, study: Study) -> Table:
    slo = study.slos[0]
    table = Table(show_edge=False, pad_edge=False)
    for head in ("load", "verdict", "n", "p50 ms", "p99 ms", "req/s", "tok/s"):
        table.add_column(head, justify="right")
    table.add_column(f"{slo.metric} p99 against {slo.max_s * 1000:g} ms")
    for level in sorted(found.levels, key=lambda v: v.size):
        m = level.measured
        table.add_row(
            f"{level.size:.4g}",
            Text(level.verdict, style=STYLE[level.verdict]),
            str(m.n),
            quantile_text(m, slo.metric, 0.5),
            quantile_text(m, slo.metric, 0.99),
            rate_text(m, "requests_per_s", 1),
            rate_text(m, "output_tokens_per_s", 0),
            _bar(m.quantiles[slo.metric][0.99].value, slo.max_s),
        )
    return table


def _bar(value: float | None, target: float) -> str:
    """Return a bar in which the target stands in the middle; what is off the scale ends in >."""
    length = BAR + 1 if value is None else round(value / target * BAR / 2)
    drawn = ("#" * min(length, BAR)).ljust(BAR + 1)
    middle = BAR // 2
    mark = "|" if length <= middle else "#"
    return (drawn[:middle] + mark + drawn[middle + 1 :]).rstrip() + (">" if length > BAR else "")
