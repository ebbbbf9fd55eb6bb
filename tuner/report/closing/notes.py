"""Say what else there is to know of a run: what makes a reader doubt it, and, if asked, the terms.

Doubts stand in the short form too. The terms, what else was tried, and what time went into, do not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from tuner.engines.observation import in_words as observed_in_words
from tuner.evaluate.cold_start import in_words as cold_in_words
from tuner.evaluate.failures import in_words as failed_in_words
from tuner.evaluate.measurement import Measurement
from tuner.evaluate.scope import claim, doubts, scope, starts_text
from tuner.evaluate.token_counts import in_words as counts_in_words
from tuner.machine.disturbance import sentences
from tuner.report.cells import left_out
from tuner.report.gain_lines import drift_in_words, gain_in_words
from tuner.report.starting import limits_in_words, settings_in_words, starting_in_words
from tuner.search.frontier import Point
from tuner.search.result import Result, Screened
from tuner.spec.knobs import Knob, says_something


def warnings(result: Result) -> Iterator[str]:
    """Yield what stood in the way of a proof, what failed, and what disturbed the run."""
    yield from result.reasons
    for name, m in (("baseline", result.baseline), ("best", result.best)):
        if m and m.failure_reasons:
            yield f"{name}: {failed_in_words(m.failure_reasons, m.n)}"
    for said in sentences(result.windows):
        yield f"disturbed: {said}"


def notes(result: Result) -> Iterator[str]:
    """Yield what a reader needs in order to doubt the numbers, and what serving the best takes."""
    yield from scope(result.study)
    if result.best is not None:
        yield from _of_best(result, result.best)
    if result.drift is not None and result.drift.trend.beyond_chance:
        yield from drift_in_words(result.drift)
    if result.cold is not None:
        yield cold_in_words(result.cold)
    yield from settings_in_words(result)
    if result.continued:
        yield f"The larger budget brought: {'; '.join(result.continued)}."
    if result.files_checked is not None:
        yield f"Files: {result.files_checked}."
    yield spent_in_words(result)


def _of_best(result: Result, best: Measurement) -> Iterator[str]:
    yield from doubts(result.study, best)
    yield from counts_in_words(best.counts)
    if best.observed is not None:
        yield observed_in_words(best.observed)
    yield from limits_in_words(best)
    yield from _on_trust(best, result.knobs)


def _on_trust(best: Measurement, knobs: Mapping[str, Knob]) -> Iterator[str]:
    """Yield which settings were sent and could not be read back from the engine."""
    unread = best.effective.unverified if best.effective else ()
    names = [n for n in unread if says_something(knobs, n, best.candidate)]
    if names:
        yield f"Not read back from the engine, taken on trust: {', '.join(names)}."


def terms(result: Result) -> Iterator[str]:
    """Yield the terms of the verdicts, all gains, what else was found, and what time went into."""
    if result.best is not None:
        yield _terms(result.best)
        yield from claim(result.study, result.best)
        yield left_out(result.best.warmups, result.best.slowest_warmup_s)
    yield gain_in_words(result)
    if result.drift is not None and not result.drift.trend.beyond_chance:
        yield from drift_in_words(result.drift)
    yield _frontier(result)
    yield _screening(result.screened)
    yield from starting_in_words(result)
    spent = result.spent
    yield (
        "The engine was working "
        f"{spent['engine_busy_s'] / max(spent['seconds'], 1e-9):.0%} of the time; cutting hopeless "
        f"trials saved {spent['saved_by_racing_s']:.0f} s."
    )


def _terms(best: Measurement) -> str:
    parts = [
        f"{slo}: {c.confidence:.1%} confidence, n = {c.n}, m = {c.m}"
        + (f", stands for bursts of late requests up to {c.bursts}" if c.verdict == "PASS" else "")
        for slo, c in best.certificates.items()
    ]
    return "Terms: " + "; ".join([*parts, starts_text(best.starts), ends_text(best)]) + "."


def ends_text(m: Measurement) -> str:
    """Say how sure the intervals of a measurement are."""
    return f"each end of a bracket holds at {m.confidence:.2%}, at every n"


def _frontier(result: Result) -> str:
    """Say which candidates are fastest, most correct and smallest, by the search's estimates."""
    met = [p for p in result.frontier if p.trial.feasible]
    if not met:
        return "Frontier: no screened candidate met all estimates."
    pairs = {"fastest": min(met, key=lambda p: p.e2e_p99_s)}
    if result.study.workload.judged:
        pairs["most correct"] = max(met, key=lambda p: p.correct)
    if known := [p for p in met if p.memory_bytes is not None]:
        pairs["least memory"] = min(known, key=lambda p: p.memory_bytes or 0)
    shown = [f"{what} {_point(p)}" for what, p in pairs.items()]
    return (
        f"Frontier ({len(met)} screened candidates, estimates only; --objective picks): "
        + "; ".join(shown)
        + "."
    )


def _point(p: Point) -> str:
    memory = f", {p.memory_bytes / 2**20:.0f} MiB" if p.memory_bytes else ""
    return f"trial {p.trial.number} (p99 ~{p.e2e_p99_s * 1000:.0f} ms, {p.correct:.0%}{memory})"


def _screening(screened: Sequence[Screened]) -> str:
    wrong = [s for s in screened if not s.agreed]
    text = f"Screening and proof disagreed about the target for {len(wrong)} of {len(screened)}"
    for s in wrong:
        proven = "inf" if s.confirmed_s is None else f"{s.confirmed_s * 1000:.0f}"
        text += (
            f"; trial {s.number}: ~{s.quantile_s * 1000:.0f} ms from {s.n} requests, "
            f"{proven} ms from {s.confirmed_n}"
        )
    return text + "."


def spent_in_words(result: Result) -> str:
    """Say what a run took: time, requests, starts, and waiting for production."""
    spent = result.spent
    starts = "" if result.study.one_start else f", {spent['restarts']:.0f} engine starts"
    waited = spent["paused_s"]
    return f"Spent {spent['seconds']:.0f} s, {spent['requests']:.0f} requests{starts}." + (
        f" It waited {waited:.0f} s for production." if waited else ""
    )
