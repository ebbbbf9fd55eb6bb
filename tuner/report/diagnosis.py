"""Show a diagnosis: as JSON, and as tables with sentences."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tuner import __version__
from tuner.advice.diagnosis.causes.hypothesis import Hypothesis, ms
from tuner.advice.diagnosis.changes.needed import Needed
from tuner.advice.diagnosis.changes.proposal import Proposal
from tuner.advice.diagnosis.diagnose import Diagnosis
from tuner.advice.diagnosis.figures import Figures
from tuner.advice.span import Span

_REACH = {"reaches": "met", "may reach": "maybe", "does not reach": "missed", None: "-"}
STYLES = {"likely": "bold", "excluded": "dim", "unlikely": "dim"}


def diagnosis_document(found: Diagnosis) -> dict[str, Any]:
    """Return a diagnosis as JSON, `tuner.diagnosis/1`; seconds throughout, null for the unknown."""
    first = found.bottleneck
    return {
        "schema": "tuner.diagnosis/1",
        "tuner_version": __version__,
        "figures": {name: _finite(value) for name, value in asdict(found.found).items()},
        "bottleneck": None if first is None else {"cause": first.cause, "where": first.where,
                                                  "standing": first.standing},
        "rivals": [h.cause for h in found.rivals],
        "decides": None if found.decides is None else {
            "record": found.decides, "by": found.decides_by},
        "hypotheses": [_hypothesis(h) for h in found.hypotheses],
        "parts": {"prefill": _span(found.parts.prefill), "decode": _span(found.parts.decode),
                  "other_s": found.parts.other, "by": found.parts.how},
        "scenarios": [asdict(s) | {"utilisation": s.utilisation} for s in found.scenarios],
        "needed": _needed(found.needed),
        "proposals": [_proposal(p) for p in found.proposals],
        "unknown": [asdict(u) for u in found.untold],
        "notes": list(found.notes),
    }  # fmt: skip


def _hypothesis(found: Hypothesis) -> dict[str, Any]:
    return {
        "cause": found.cause,
        "where": found.where,
        "standing": found.standing,
        "accounts_s": _span(found.accounts),
        "for": list(found.for_it),
        "against": list(found.against),
        "sign": found.sign or None,
    }


def _proposal(found: Proposal) -> dict[str, Any]:
    return {
        "change": found.change,
        "effort": found.effort,
        "what": found.what,
        "p50_s": _span(found.p50),
        "p99_s": _span(found.p99),
        "ttft_s": _span(found.first),
        "target": found.reach,
        "formula": found.formula,
        "inputs": dict(found.inputs),
        "test": found.test,
        "remarks": list(found.remarks),
    }


def _needed(found: Needed | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {f"{name}_s": _span(getattr(found, name)) for name in
            ("now", "alone", "queued", "unlimited")}  # fmt: skip


def _span(found: Span | None) -> dict[str, float | None] | None:
    if found is None:
        return None
    return {name: _finite(value) for name, value in asdict(found).items()}


def _finite(value: float | None) -> float | None:
    return value if value is None or math.isfinite(value) else None


def show_diagnosis(found: Diagnosis) -> Group:
    """Return a diagnosis for people: what it is, what speaks for it, what decides, what helps."""
    return Group(*_shown(found))


def _shown(found: Diagnosis) -> Iterator[RenderableType]:
    yield Text(headline(found), style="bold")
    yield Text(_figures(found.found))
    for where, said in (("slowest 1 %", _gap(found.found)), ("usual request", _usual(found.found))):
        yield Text(f"\n{where.capitalize()}: {said}", style="bold")
        for h in found.hypotheses:
            if h.where == where:
                yield from _lines(h)
    if found.decides:
        yield Text(f"\nWhat decides: {found.decides}.")
        yield Text(f"  $ {found.decides_by}")
    if found.needed:
        yield Text(_needed_words(found.needed, found.found))
    yield Text("\nWhat would help, by effect per effort:", style="bold")
    yield _table(found)
    for number, proposal in enumerate(found.proposals, start=1):
        yield Text("\n".join(_details(number, proposal)))
    for line in _rest(found):
        yield Text(line)


def headline(found: Diagnosis) -> str:
    """Say what the bottleneck is, and what cannot be told from it."""
    first = found.bottleneck
    if first is None:
        return "The figures do not say what takes the time."
    where = "the slowest 1 %" if first.where == "slowest 1 %" else "a usual request"
    said = f"Bottleneck of {where}: {first.cause} ({first.standing})"
    rivals = ", ".join(h.cause for h in found.rivals)
    return f"{said}; the figures cannot tell it from: {rivals}." if rivals else f"{said}."


def _figures(found: Figures) -> str:
    told = [
        f"{name} {ms(value)}"
        for name, value in (
            ("p50", found.p50),
            ("p99", found.p99),
            ("target p99", found.target_p99),
        )
        if value is not None
    ]
    counts = (("tokens in", found.input_tokens), ("tokens out", found.output_tokens))
    told += [f"{value:g} {name}" for name, value in counts if value is not None]
    return f"Given: {', '.join(told)}."


def _gap(found: Figures) -> str:
    return "p99 is unknown" if found.gap is None else f"{ms(found.gap)} beyond p50"


def _usual(found: Figures) -> str:
    return "p50 is unknown" if found.p50 is None else f"p50 of {ms(found.p50)}"


def _lines(found: Hypothesis) -> Iterator[Text]:
    accounts = (
        f", {_times(found.accounts)}" if found.accounts and found.standing != "unknown" else ""
    )
    yield Text(f"  {found.cause}: {found.standing}{accounts}", style=STYLES.get(found.standing, ""))
    for said in found.for_it:
        yield Text(f"    + {said}")
    for said in found.against:
        yield Text(f"    - {said}")


def _times(span: Span) -> str:
    return "nothing" if span.high == 0 else ms(span)


def _needed_words(found: Needed, given: Figures) -> str:
    return (
        f"\nA p99 of {ms(given.target_p99 or 0.0)} takes a mean service of {ms(found.alone)} where "
        f"no request waits, and of {ms(found.queued)} with the slots as they are; it is "
        f"{ms(found.now)} now. Without any queue p99 would be {ms(found.unlimited)}"
        f"{_never(found, given)}."
    )


def _never(found: Needed, given: Figures) -> str:
    if given.target_p99 is None or found.unlimited.low <= given.target_p99:
        return ""
    return ": no number of slots alone reaches the target"


def _table(found: Diagnosis) -> Table:
    table = Table(show_edge=False, pad_edge=False)
    for column in ("", "change", "effort"):
        table.add_column(column, no_wrap=True)
    for column in ("p50 ms", "p99 ms"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("target", no_wrap=True)
    for number, p in enumerate(found.proposals, start=1):
        table.add_row(str(number), p.change, p.effort, _cell(p.p50), _cell(p.p99), _REACH[p.reach])
    return table


def _cell(span: Span | None) -> str:
    if span is None:
        return "unknown"
    low, likely, high = (_whole(v) for v in (span.low, span.likely, span.high))
    return likely if low == high else f"{likely} [{low}, {high}]"


def _whole(seconds: float) -> str:
    return f"{seconds * 1000:.0f}" if math.isfinite(seconds) else "inf"


def _details(number: int, found: Proposal) -> Iterator[str]:
    inputs = ", ".join(f"{name} {value}" for name, value in found.inputs.items())
    yield f"\n{number}. {found.what}"
    yield f"   by: {found.formula} ({inputs})"
    for remark in found.remarks:
        yield f"   - {remark}"
    yield f"   $ {found.test}"


def _rest(found: Diagnosis) -> Iterator[str]:
    yield ""
    for untold in found.untold:
        yield f"Not estimated: {untold.change}; {_missing(untold.missing)}."
    for note in found.notes:
        yield f"Note: {note}."
    yield (
        "Brackets are ranges over all that the figures allow, and no intervals of a measurement; "
        "measure before and after a change, and put both into `tune compare`."
    )


def _missing(said: str) -> str:
    if said.startswith("nothing: "):
        return said.removeprefix("nothing: ")
    return f"it takes {said}"
