"""Show what serving costs and what would save: as a table with sentences."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tuner.advice.cost.compared import Compared, Costed, Outcome
from tuner.advice.cost.conditions import of_strategy, of_today, whole
from tuner.advice.cost.values import HOURS_A_MONTH
from tuner.advice.ranges import scaled
from tuner.advice.span import Span

UNKNOWN = "unknown"
ABREAST = 4
"""Strategies in one table: more do not fit a terminal of 80 columns."""

_GB = 1e9

Cell = Callable[[Costed, Outcome | None], str]


def show_costs(found: Compared) -> Group:
    """Return the answer, the figures side by side, and what each depends on."""
    parts: list[RenderableType] = [Text(headline(found), style="bold"), *_tables(found)]
    parts += [Text(line) for line in _conditions(found)]
    parts += [Text(line) for line in (*_break_evens(found), *_terms(found), *_missing(found))]
    return Group(*parts)


def headline(found: Compared) -> str:
    """Return in a sentence what would save most, or that nothing here does."""
    hour, request = found.today.cost.per_hour, found.today.cost.per_request
    if hour is None or request is None:
        return "What serving costs is unknown."
    said = f"Serving costs ${_range(hour)} an hour, ${_range(request)} a request."
    if found.today.fit == "does not fit":
        said = f"This does not fit into memory; if it did: {said[0].lower()}{said[1:]}"
    if found.best is not None:
        return f"{said} {_saves(found.best)}"
    return f"{said} No strategy here surely saves." if found.outcomes else said


def _saves(best: Outcome) -> str:
    """Say what the best strategy saves, at which price in time and answers, and if what holds."""
    assert best.saving is not None
    times = "" if best.times is None else f", a request takes {_range(best.times)} times as long"
    told = (
        f"{best.strategy.label} ({best.strategy.name}) saves most: ${_range(best.saving)} an hour, "
        f"${_range(scaled_month(best.saving))} a month{times}; answers: {best.quality.risk}"
    )
    provided = {
        "it fits": best.costed.fit != "fits",
        "one instance carries the rate": best.costed.pace is None or not best.costed.pace.whole,
    }
    open_ = [condition for condition, unsure in provided.items() if unsure]
    return f"{told}; provided that {' and '.join(open_)}." if open_ else f"{told}."


def scaled_month(span: Span) -> Span:
    """Return dollars an hour as dollars a month, which may be negative."""
    return Span(*(v * HOURS_A_MONTH for v in (span.low, span.likely, span.high)))


def _tables(found: Compared) -> list[Table]:
    """Return the figures, today's beside those of at most four strategies in a table."""
    every = found.outcomes
    groups = [every[n : n + ABREAST] for n in range(0, len(every), ABREAST)] or [()]
    return [_table(found.today, group) for group in groups]


def _table(today: Costed, outcomes: Sequence[Outcome]) -> Table:
    table = Table(show_edge=False, pad_edge=False)
    table.add_column("", no_wrap=True)
    for head in ("today", *(f"{o.strategy.label} {o.strategy.name}" for o in outcomes)):
        table.add_column(head, justify="right", overflow="fold")
    columns = [(today, None), *((o.costed, o) for o in outcomes)]
    for label, cell in _ROWS:
        cells = [cell(costed, outcome) for costed, outcome in columns]
        if not {*cells} <= {UNKNOWN, "-"}:
            table.add_row(label, *cells)
    return table


def _range(span: Span) -> str:
    """Return `likely [low, high]`, the figure alone where it is known exactly."""
    likely = figure(span.likely)
    low, high = figure(span.low), figure(span.high)
    return likely if low == high else f"{likely} [{low}, {high}]"


def figure(value: float) -> str:
    """Return a number with two decimals, or with two digits that count where it is small."""
    if value == 0 or abs(value) >= 0.995:
        return f"{value:,.2f}" if abs(value) < 100 else f"{value:,.0f}"
    return f"{value:.{1 - math.floor(math.log10(abs(value)))}f}"


def _span(span: Span | None, factor: float = 1.0) -> str:
    """Return a range from its low end to its high one; a saving may be a loss."""
    if span is None:
        return UNKNOWN
    low, high = figure(span.low * factor), figure(span.high * factor)
    return low if low == high else f"{low} to {high}"


def _pace(costed: Costed, _: Outcome | None) -> str:
    pace = costed.pace
    if pace is None:
        return UNKNOWN
    return ("" if pace.whole else "> ") + _span(pace.request_s)


def _used(costed: Costed, _: Outcome | None) -> str:
    return _bound(costed, "< ", "> ") + _span(costed.cost.used, 100.0)


def _full(costed: Costed, _: Outcome | None) -> str:
    if costed.full_at is None:
        return UNKNOWN
    return _bound(costed, "> ", "< ") + whole(costed.full_at)


def _bound(costed: Costed, at_least: str, at_most: str) -> str:
    """Return the sign for a capacity that may be greater, or that may be less."""
    pace = costed.pace
    if pace is None:
        return ""
    if pace.how != "roofline":
        return at_least
    return "" if pace.whole else at_most


def _mean(outcome: Outcome) -> str:
    return _span(outcome.mean_times) if outcome.costed.setup.hits else "-"


def _of_outcome(tell: Callable[[Outcome], str]) -> Cell:
    return lambda _, outcome: "-" if outcome is None else tell(outcome)


def _monthly(outcome: Outcome) -> str:
    return _span(None if outcome.saving is None else scaled_month(outcome.saving))


def _taken(costed: Costed, _: Outcome | None) -> str:
    return {True: "yes", False: "no", None: UNKNOWN}[costed.taken]


_ROWS: tuple[tuple[str, Cell], ...] = (
    ("an hour $", lambda c, _: _span(c.cost.per_hour)),
    ("a request $", lambda c, _: _span(c.cost.per_request)),
    ("a M tokens $", lambda c, _: _span(c.cost.per_million)),
    ("a M of answers $", lambda c, _: _span(c.cost.per_million_output)),
    ("saves an hour $", _of_outcome(lambda o: _span(o.saving))),
    ("saves a month $", _of_outcome(_monthly)),
    ("seconds a request", _pace),
    ("times as long", _of_outcome(lambda o: _span(o.times))),
    ("mean with cache", _of_outcome(_mean)),
    ("instance used %", _used),
    ("full at requests/h", _full),
    ("memory GB", lambda c, _: _span(c.memory.needed if c.memory else None, 1 / _GB)),
    ("fits", lambda c, _: c.fit or UNKNOWN),
    ("engine takes it", _taken),
    ("answers", _of_outcome(lambda o: o.quality.risk)),
    ("effort", _of_outcome(lambda o: o.effort)),
)


def _conditions(found: Compared) -> Iterator[str]:
    yield "today:"
    yield from (f"  - {said}" for said in of_today(found))
    for outcome in found.outcomes:
        yield f"{outcome.strategy.label} {outcome.strategy.name}:"
        yield from (f"  - {said}" for said in of_strategy(outcome, found))


def _break_evens(found: Compared) -> Iterator[str]:
    """Say from which rates on something else is cheaper, where anything is known of that."""
    lines = [*_of_instance("today", found.today, found)]
    for outcome in found.outcomes:
        label, even = outcome.strategy.label, outcome.breaks_even
        lines += _of_instance(label, outcome.costed, found)
        if even is not None:
            cheap, dear = ("today", label) if outcome.dearer else (label, "today")
            lines.append(f"  - {cheap} costs less than {dear} up to {whole(even)} requests/h.")
    yield f"Costs are those of {found.demand.per_hour:,.6g} requests/h."
    if lines:
        yield from ("Break-even rates in requests/h:", *lines)


def _of_instance(label: str, costed: Costed, found: Compared) -> Iterator[str]:
    if costed.full_at is not None:
        least = _bound(costed, "at least ", "at most ")
        yield f"  - {label}: an instance carries {least}{whole(costed.full_at)}."
    if costed.api_from is None or found.api_request is None:
        return
    if math.isinf(costed.api_from):
        flight = found.measured.in_flight if found.measured else found.demand.in_flight
        yield f"  - {label}: not cheaper than the API: full before, with {flight} in flight."
    else:
        hits = ", where hits spare the API as well" if costed.setup.hits else ""
        yield (
            f"  - {label}: cheaper than the API (${figure(found.api_request)} a request) from "
            f"{costed.api_from:,.0f}{hits}."
        )


def _terms(found: Compared) -> Iterator[str]:
    demand, measured = found.demand, found.measured
    if measured is not None:
        yield (
            f"Measured: {measured.source}, n = {measured.n}; {measured.per_hour:,.0f} requests/h "
            f"came with {measured.in_flight} in flight, so that it carries at least those. "
            "Seconds a request are the median."
        )
        if any(o.costed.pace and o.costed.pace.how != "measured" for o in found.outcomes):
            yield "Where the engine works differently, it is that times the roofline's ratio."
    if found.today.pace is not None and found.today.pace.how == "roofline":
        yield (
            f"Capacity is the roofline's, not measured: bytes to read over bandwidth, "
            f"{demand.in_flight} in flight (--in-flight: an engine that batches carries more). "
            "Waits grow long before an instance is full; `tune capacity` measures what it carries "
            "within your target."
        )
    yield from _sources(found)
    yield (
        f"A month has {HOURS_A_MONTH:.0f} hours. Prices are yours. A range holds what the inputs "
        "allow; its likely figure is in --json."
    )


def _missing(found: Compared) -> Iterator[str]:
    """Say which options would tell more."""
    setup = found.today.setup
    lacking = {
        "--params and --format, or --model": setup.model is None,
        "--gpu": setup.hardware is None,
        "--input-tokens and --output-tokens": found.demand.tokens is None,
        "--engine": setup.takes is None,
    }
    if options := [name for name, lacks in lacking.items() if lacks]:
        yield f"Not said, so that less is known: {'; '.join(options)}."


def _sources(found: Compared) -> Iterator[str]:
    setups = [found.today.setup, *(o.costed.setup for o in found.outcomes)]
    on = {s.hardware.name: s.hardware for s in setups if s.hardware is not None}
    for name, hardware in on.items():
        rate = scaled(hardware.bandwidth, 1 / _GB)
        there = f"{hardware.memory_bytes / _GB:,.0f} GB"
        yield f"{name}: {there}, {_range(rate)} GB/s, {hardware.source}."
