"""The rows of a table of measurements: a label and a cell for each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from rich.table import Table

from tuner.evaluate.measurement import METRICS, Measurement
from tuner.report.cells import interval, percent
from tuner.report.closing.lines import Whole
from tuner.spec.study import Study
from tuner.spec.values import Slo

Row = tuple[str, list[str]]
Measured = tuple[Measurement | None, ...]

GOOD = "correct"
"""The class of answers that a short table leaves out: the shares say how many they are."""


def table(study: Study, columns: dict[str, Measurement | None], *, verbose: bool) -> Whole:
    """Return a table of measurements, the last one in bold where there are several."""
    made = Table(show_edge=False, pad_edge=False)
    made.add_column("", no_wrap=True)
    for number, head in enumerate(columns):
        last = 0 < number == len(columns) - 1
        made.add_column(head, justify="right", style="bold" if last else "")
    for label, cells in rows(study, tuple(columns.values()), verbose=verbose):
        made.add_row(label, *cells)
    return Whole(made)


def rows(study: Study, measured: Measured, *, verbose: bool = True) -> list[Row]:
    """Return the rows of a comparison.

    Without `verbose` those are left out that a sentence says as well, or that say nothing: the
    pace where no target is set on it, verdicts on answers, the class of good answers, no failures.
    """
    found = [
        *_latencies(study, measured, verbose),
        *((str(slo), [_verdict(m, slo) for m in measured]) for slo in study.slos),
        ("requests (starts)", _cells(measured, lambda m: f"{m.n} ({m.starts})")),
        ("valid %", _cells(measured, lambda m: percent(m.guard.valid))),
    ]
    if study.workload.judged:
        found.append(("correct %", _cells(measured, lambda m: percent(m.guard.correct))))
    found += [*(_floors(measured) if verbose else ()), *_classes(study, measured, verbose)]
    if verbose or any(sum(m.failures.values()) for m in measured if m):
        found.append(("failed requests", _cells(measured, lambda m: str(sum(m.failures.values())))))
    found.append(("output tokens/s", [rate_text(m, "output_tokens_per_s", 1) for m in measured]))
    found.append(("memory MiB", _cells(measured, _mebibytes)))
    return found


def _cells(measured: Measured, cell: Callable[[Measurement], str]) -> list[str]:
    return [cell(m) if m else "-" for m in measured]


def _latencies(study: Study, measured: Measured, verbose: bool) -> Iterator[Row]:
    targets = {slo.metric for slo in study.slos}
    for metric in METRICS:
        if verbose or metric != "tpot" or metric in targets:
            for q in (0.5, 0.99):
                cells = [quantile_text(m, metric, q) for m in measured]
                yield f"{metric} p{q * 100:g} ms", cells


def _floors(measured: Measured) -> Iterator[Row]:
    for name in dict.fromkeys(k for m in measured if m for k in m.guard.verdicts):
        yield name, [m.guard.verdicts.get(name, "-") if m else "-" for m in measured]


def _classes(study: Study, measured: Measured, verbose: bool) -> Iterator[Row]:
    for name in sorted({k for m in measured if m for k in m.guard.counts}):
        if verbose or name != GOOD:
            label = "valid" if name == GOOD and not study.workload.judged else name
            yield f"  {label}", [str(m.guard.counts.get(name, 0)) if m else "-" for m in measured]


def quantile_text(m: Measurement | None, metric: str, q: float) -> str:
    """Return a quantile in milliseconds with its interval."""
    if m is None:
        return "-"
    if metric == "tpot" and m.counts.unknown == m.n > 0:
        return "unknown"
    return interval(m.quantiles[metric][q], 1000.0, 1 if metric == "tpot" else 0)


def _verdict(m: Measurement | None, slo: Slo) -> str:
    if m is None:
        return "-"
    c = m.certificates[slo]
    unknown = m.counts.unknown_for(slo.metric)
    return f"{c.verdict} ({c.late}/{c.n} late{f', {unknown} unknown' if unknown else ''})"


def rate_text(m: Measurement | None, name: str, digits: int) -> str:
    """Return a throughput by its name in a measurement."""
    if m is None:
        return "-"
    rate = m.throughput[name]
    return "unknown" if rate is None else f"{rate:.{digits}f}"


def _mebibytes(m: Measurement) -> str:
    return f"{m.memory_bytes / 2**20:.0f}" if m.memory_bytes else "-"
