"""Show two measurements side by side: as a table with sentences, and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from tuner import __version__
from tuner.evaluate.comparison import Compared, Comparison, Row
from tuner.report.cells import COUNTS_FROM, floor_percent, interval, percent
from tuner.report.closing.lines import Line, Whole, bullets, sentences
from tuner.report.documents import bound_document
from tuner.stats.noise import ALLOWANCE
from tuner.stats.quantiles import Bound


def claims(found: Comparison) -> tuple[str, ...]:
    """Return a sentence for each difference that is claimed."""
    told = [
        f"B's {row.name} is {row.claim} than A's by {_change(row.ratio)}"
        for row in found.rows
        if row.claim
    ]
    if _answers_differ(found):
        points = interval(found.correct, 100.0, 1)
        told.append(f"B's share of correct answers differs from A's by {points} points")
    return tuple(told)


def _change(ratio: Bound) -> str:
    """Return by how many percent a ratio lies beside 1, the nearer end of its interval first."""
    lower = (ratio.value or 1.0) < 1
    ends = (ratio.high, ratio.low) if lower else (ratio.low, ratio.high)
    value, near, far = (
        "?" if r is None else f"{abs(r - 1) * 100:.0f}" for r in (ratio.value, *ends)
    )
    return f"{value} % ({near} to {far} %)"


def comparison_document(found: Comparison) -> dict[str, Any]:
    """Return a comparison as JSON, `tuner.comparison/1`; seconds throughout."""
    return {
        "schema": "tuner.comparison/1",
        "tuner_version": __version__,
        "a": _side(found.a),
        "b": _side(found.b),
        "comparable": not found.unlike,
        "unlike": [{"fact": d.fact, "a": d.a, "b": d.b} for d in found.unlike],
        "changed": {knob: {"a": a, "b": b} for knob, (a, b) in found.changed.items()},
        "confidence": found.confidence,
        "allowance": ALLOWANCE,
        "latencies": [_row(row) for row in found.rows],
        "correct_b_minus_a": bound_document(found.correct) | {"pairs": found.pairs},
        "claims": list(claims(found)),
        "reasons": list(found.reasons),
    }


def _side(side: Compared) -> dict[str, Any]:
    kept = (
        "candidate",
        "n",
        "engine_starts",
        "load",
        "loop",
        "counts_from",
        "threads",
        "guard",
        "memory_bytes",
    )
    facts = {name: side.document.get(name) for name in kept}
    return {"path": side.path, "samples": len(side.samples)} | facts


def _row(row: Row) -> dict[str, Any]:
    return {
        "metric": row.metric,
        "quantile": row.quantile,
        "a": bound_document(row.a),
        "b": bound_document(row.b),
        "ratio": bound_document(row.ratio),
        "noise_floor": row.noise_floor,
        "claim": row.claim,
    }


def show_comparison(found: Comparison, *, verbose: bool = False) -> Group:
    """Return a comparison: what may be claimed, the table, and what the claims rest on."""
    table = Table(show_edge=False, pad_edge=False)
    table.add_column("", no_wrap=True)
    for column in ("A", "B", "B / A", "noise"):
        table.add_column(column, justify="right")
    table.add_column("claimed")
    for row in found.rows:
        table.add_row(*_cells(row))
    for label, a, b in _others(found):
        table.add_row(label, a, b)
    below = [*_rests_on(found), *((_terms(),) if verbose else ())]
    return Group(*_lead(found), Text(""), Whole(table), *sentences(below))


def _lead(found: Comparison) -> Iterator[Line]:
    """Yield what was asked: which is faster, by how much, and whether it answers as well."""
    yield Line("", _headline(found), "bold")
    yield Line("A", found.a.path, whole=True)
    yield Line("B", found.b.path, whole=True)
    claimed = [f"{r.name} {r.claim} by {_change(r.ratio)}" for r in found.rows if r.claim]
    if claimed:
        yield Line("Latency of B", f"{'; '.join(claimed)}.")
    if found.pairs:
        yield Line("Answers", _answers(found))
    settings = "; ".join(f"{knob}: {a} -> {b}" for knob, (a, b) in found.changed.items())
    yield Line("Changed", settings or "no setting")
    yield from bullets(found.reasons)


def _answers(found: Comparison) -> str:
    differ = "a difference" if _answers_differ(found) else "no difference is claimed"
    points = interval(found.correct, 100.0, 1)
    return f"right ones, B minus A: {points} points on {found.pairs} same prompts; {differ}."


def _answers_differ(found: Comparison) -> bool:
    low, high = found.correct.low, found.correct.high
    return low is not None and high is not None and (low > 0 or high < 0)


def _headline(found: Comparison) -> str:
    sides = {row.claim for row in found.rows if row.claim}
    match sorted(sides):
        case ["lower"]:
            return "B is faster than A."
        case ["higher"]:
            return "B is slower than A."
        case []:
            within = "" if found.reasons else ": each lies within its interval or the noise"
            return f"No difference in latency is claimed{within}."
        case _:
            return "B is faster than A in some figures and slower in others."


def _cells(row: Row) -> tuple[str, ...]:
    digits = 1 if row.metric == "tpot" else 0
    longer = (row.ratio.value or 0.0) > 1
    floor = "?" if row.noise_floor is None else floor_percent(row.noise_floor, longer=longer)
    ratio = "?" if row.ratio.value is None else interval(row.ratio, 1.0, 2)
    bounds = (interval(bound, 1000.0, digits) for bound in (row.a, row.b))
    return (f"{row.name} ms", *bounds, ratio, floor, row.claim or "no")


def _others(found: Comparison) -> list[tuple[str, str, str]]:
    """Return further lines: a label and what each side has."""
    lines = [_line(found, "requests (starts)", lambda d: f"{d['n']} ({d['engine_starts']})")]
    for share in ("valid", "correct"):
        lines.append(_line(found, f"{share} %", lambda d, s=share: percent(Bound(**d["guard"][s]))))
    lines.append(_line(found, "failed requests", lambda d: str(sum(d["failures"].values()))))
    lines.append(_line(found, "output tokens/s", _tokens_per_s))
    lines.append(_line(found, "memory MiB", _mebibytes))
    lines.append(_line(found, "threads", lambda d: str(d.get("threads") or "-")))
    return lines


def _tokens_per_s(document: Mapping[str, Any]) -> str:
    rate = document["throughput"]["output_tokens_per_s"]
    return "unknown" if rate is None else f"{rate:.1f}"


def _mebibytes(document: Mapping[str, Any]) -> str:
    memory = document.get("memory_bytes")
    return f"{memory / 2**20:.0f}" if memory else "-"


def _line(found: Comparison, label: str, cell: Any) -> tuple[str, str, str]:
    return (label, cell(found.a.document), cell(found.b.document))


def _rests_on(found: Comparison) -> Iterator[str]:
    """Yield the load, and how sure the brackets are."""
    document = found.a.document
    instant = COUNTS_FROM["planned" if found.a.scheduled else "sent"]
    yield f"Load: {document.get('load')}; {instant}."
    yield (
        f"Brackets of B / A hold at {found.confidence:.1%} each and at 95 % together; a claim "
        "exceeds the noise as well."
    )


def _terms() -> str:
    return (
        "Brackets beside a side are those of its own verdict. Noise is what like sides reach: "
        f"half of the bracket of B / A, and the {ALLOWANCE:.0%} by which two occasions may differ "
        "though nothing was changed. A claim says that B's settings on its occasion differ from "
        "A's on its own by more than that."
    )
