"""What a sweep found: for people, and as `tuner.sweep/1`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tuner import __version__
from tuner.evaluate.failures import in_words
from tuner.evaluate.sweep import Change, Figure, Side, Sweep, SweptValue
from tuner.machine.disturbance import sentences
from tuner.report.cells import COUNTS_FROM, floor_percent, interval, percent
from tuner.report.documents import bound_document, measurement_document
from tuner.spec.study import Study

_READING: tuple[Figure, Figure] = ("prefill p50", "ttft p50")
"""What a table shows of reading prompts: the engine's own time, or else what the client saw."""


def sweep_document(found: Sweep, study: Study, environment: Mapping[str, Any]) -> dict[str, Any]:
    """Return a sweep as JSON, `tuner.sweep/1`; seconds and bytes throughout."""

    def side(one: Side) -> dict[str, Any]:
        m = one.measured
        return {
            "blocks": one.blocks,
            "failed": one.failed,
            "prefill_p50": bound_document(one.prefill) if one.prefill else None,
            "measurement": measurement_document(m, study, environment) if m else None,
        }

    return {
        "schema": "tuner.sweep/1",
        "tuner_version": __version__,
        "study": study.name,
        "complete": found.complete,
        "elapsed_s": found.elapsed_s,
        "confidence": found.confidence,
        "base": dict(found.base),
        "baseline": side(found.baseline),
        "values": [
            {
                "knob": v.knob,
                "value": v.value,
                **side(v.side),
                "changes": {c.figure: _change(c) for c in v.changes},
                "correct_minus_baseline": _correct(v),
            }
            for v in found.values
        ],
    }


def _correct(value: SweptValue) -> dict[str, Any] | None:
    return bound_document(value.correct) | {"pairs": value.pairs} if value.correct else None


def _change(change: Change) -> dict[str, Any]:
    floor = change.noise_floor
    return {
        "ratio": bound_document(change.ratio),
        "noise_floor": None if floor is None or math.isinf(floor) else floor,
        "claim": change.claim,
    }


def show_sweep(found: Sweep, study: Study) -> Group:
    """Return a table for each knob, then what holds for all of them."""
    parts: list[RenderableType] = []
    for knob, base in found.base.items():
        parts += [Text("")] if parts else []
        values = [v for v in found.values if v.knob == knob]
        parts.append(_table(knob, base, found.baseline, values))
        parts.append(Text(""))
        parts.append(_answers(knob, base, found.baseline, values, judged=study.workload.judged))
    parts += [Text(line, style="yellow") for line in _warnings(found)]
    parts.append(Text(_terms(found, study)))
    return Group(*parts)


def _table(knob: str, base: Any, baseline: Side, values: Sequence[SweptValue]) -> Table:
    told = all(s.prefill for s in (baseline, *(v.side for v in values)) if s.measured)
    reading = _READING[0] if told else _READING[1]
    table = Table(show_edge=False, pad_edge=False, show_lines=True)
    table.add_column(knob)
    table.add_column("n (starts)", no_wrap=True)
    for column in (f"{reading} ms", "e2e p50 ms", "e2e p99 ms", "memory MiB"):
        table.add_column(column)
    table.add_row(f"{base} (baseline)", *_cells(baseline, reading, None))
    for value in values:
        table.add_row(str(value.value), *_cells(value.side, reading, value))
    return table


def _cells(side: Side, reading: Figure, value: SweptValue | None) -> tuple[str, ...]:
    """Return the cells of a row; each figure has its change against the baseline below it."""
    m = side.measured
    if m is None:
        return ("failed" if side.failed else "not measured",)
    shown = side.prefill if reading == _READING[0] and side.prefill else m.quantiles["ttft"][0.5]
    figures: tuple[tuple[Figure, str], ...] = (
        (reading, interval(shown, 1000.0, 1)),
        ("e2e p50", interval(m.quantiles["e2e"][0.5], 1000.0, 0)),
        ("e2e p99", interval(m.quantiles["e2e"][0.99], 1000.0, 0)),
        ("memory", f"{m.memory_bytes / 2**20:.0f}" if m.memory_bytes else "unknown"),
    )
    below = [f"\n{change_text(value.change(name))}" if value else "" for name, _ in figures]
    told = (text + more for (_, text), more in zip(figures, below, strict=True))
    return (f"{m.n} ({m.starts})", *told)


def change_text(change: Change | None) -> str:
    """Return by how much a figure differs, or why nothing is claimed."""
    if change is None or change.ratio.value is None or change.noise_floor is None:
        return "no comparison"
    if math.isinf(change.noise_floor):
        return "too few requests"
    if change.claim is None:
        longer = change.ratio.value > 1
        return f"within noise ({floor_percent(change.noise_floor, longer=longer)})"
    value, low, high = (
        "?" if r is None else f"{(r - 1) * 100:+.0f}"
        for r in (change.ratio.value, change.ratio.low, change.ratio.high)
    )
    return f"{value} % ({low} to {high})"


def _answers(
    knob: str, base: Any, baseline: Side, values: Sequence[SweptValue], *, judged: bool
) -> Table:
    table = Table(show_edge=False, pad_edge=False, show_lines=True)
    for column in (
        knob,
        "valid %",
        *(["correct %", "minus baseline"] if judged else []),
        "answers",
    ):
        table.add_column(column)
    rows = [(f"{base} (baseline)", baseline, "-"), *(_row(v) for v in values)]
    for name, side, difference in rows:
        if side.measured is not None:
            guard = side.measured.guard
            more = (percent(guard.correct), difference) if judged else ()
            names = guard.counts if judged else _unjudged(guard.counts)
            classes = ", ".join(f"{n} {c}" for c, n in sorted(names.items()))
            table.add_row(name, percent(guard.valid), *more, classes)
    return table


def _row(value: SweptValue) -> tuple[str, Side, str]:
    points = f"{interval(value.correct, 100.0, 1)} points" if value.correct else "-"
    return str(value.value), value.side, points


def _unjudged(counts: Mapping[str, int]) -> dict[str, int]:
    """Return the classes where nothing is expected of answers: what would be right is whole."""
    return {"valid" if name == "correct" else name: n for name, n in counts.items()}


def _warnings(found: Sweep) -> Iterator[str]:
    """Yield what keeps differences from being claimed, or makes them doubtful."""
    if not found.complete:
        yield "  - not all blocks were measured; go on with --out, a larger --budget and --resume"
    named = [("baseline", found.baseline), *((f"{v.knob} {v.value}", v.side) for v in found.values)]
    for name, side in named:
        if side.failed:
            yield f"  - {name} failed: {side.failed}"
        if side.measured is None:
            continue
        if side.measured.saturated:
            yield f"  - {name}: {side.measured.saturated}"
        if side.measured.failure_reasons:
            yield f"  - {name}: {in_words(side.measured.failure_reasons, side.measured.n)}"
        if side.blocks < 2:
            yield f"  - {name}: one block does not show how blocks differ; nothing is claimed of it"
    windows = {name: s.measured.machine for name, s in named if s.measured and s.measured.machine}
    yield from (f"  - disturbed: {said}" for said in sentences(windows))


def _terms(found: Sweep, study: Study) -> str:
    load = study.workload.load
    return (
        f"Load: {load}; {COUNTS_FROM[load.counts_from]}. Each value stands alone on the baseline, "
        "which was measured before each of its blocks. Brackets beside a figure are those of its "
        f"own measurement; those of a change hold at {found.confidence:.1%} each and at 95 % "
        "together. Within noise is what like sides reach by chance (in parentheses): no "
        "difference is claimed."
    )
