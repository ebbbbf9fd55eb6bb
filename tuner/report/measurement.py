"""Show one measurement on the terminal: was the target met, the figures, where the time went."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.text import Text

from tuner.engines.observation import in_words as observed_in_words
from tuner.evaluate.breakdown import breakdown
from tuner.evaluate.failures import in_words as failed_in_words
from tuner.evaluate.measurement import Measurement
from tuner.evaluate.scope import claim, doubts
from tuner.evaluate.token_counts import in_words as counts_in_words
from tuner.machine.disturbance import sentences as disturbed_sentences
from tuner.machine.resources import in_words
from tuner.report.breakdown_table import PartsTable
from tuner.report.cells import left_out
from tuner.report.closing.answers import answers_in_words
from tuner.report.closing.lines import Line, bullets, sentences
from tuner.report.closing.notes import ends_text
from tuner.report.closing.rows import table
from tuner.report.closing.sent import sent_in_words
from tuner.report.closing.verdict import STYLE, proven, targets_in_words
from tuner.report.starting import limits_in_words
from tuner.spec.study import Study


def show_measurement(m: Measurement, study: Study, *, verbose: bool = False) -> Group:
    """Return one measurement for people; with `verbose` also the terms that it holds on."""
    return Group(_headline(m, study), *figures(m, study, verbose=verbose))


def figures(m: Measurement, study: Study, *, verbose: bool) -> Iterator[RenderableType]:
    """Yield what was measured, what it holds for, and what makes a reader doubt it."""
    if m.saturated:
        yield Line("", f"INVALID: {m.saturated}.", "bold red")
    yield Line("Holds for", sent_in_words(study, m))
    if study.guard.asks:
        yield Line("Answers", f"{answers_in_words(study, m)}.")
    yield from bullets(_warnings(m))
    yield Text("")
    yield table(study, {"measured": m}, verbose=verbose)
    yield from sentences(_notes(m, study))
    if verbose:
        yield from sentences(_terms(m, study))
    found = breakdown(m.samples, scheduled=study.workload.load.open_loop)
    if found is not None:
        yield PartsTable(found, verbose=verbose)


def _headline(m: Measurement, study: Study) -> Line:
    if not study.slos:
        return Line("", "MEASURED: the study has no target to meet.", "bold")
    verdict = m.latency_verdict
    return Line("", f"{proven(verdict)}: {targets_in_words(study, m)}", STYLE[verdict])


def _warnings(m: Measurement) -> Iterator[str]:
    if m.failure_reasons:
        yield failed_in_words(m.failure_reasons, m.n)
    windows = {"the measurement": m.machine} if m.machine else {}
    for said in disturbed_sentences(windows):
        yield f"Disturbed: {said}."


def _notes(m: Measurement, study: Study) -> Iterator[str]:
    yield from doubts(study, m)
    yield from (*limits_in_words(m), *counts_in_words(m.counts))
    if m.resources is not None:
        yield in_words(m.resources)
    if m.observed is not None:
        yield observed_in_words(m.observed)


def _terms(m: Measurement, study: Study) -> Iterator[str]:
    yield left_out(m.warmups, m.slowest_warmup_s)
    yield f"Terms: {ends_text(m)}."
    yield from claim(study, m)
