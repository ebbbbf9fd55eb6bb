"""Show results and measurements on the terminal: tables and sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import StringIO
from typing import cast

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from tuner.engines.observation import in_words as observed_in_words
from tuner.evaluate.breakdown import breakdown
from tuner.evaluate.cold_start import in_words as cold_in_words
from tuner.evaluate.failures import in_words as failed_in_words
from tuner.evaluate.measurement import Measurement
from tuner.evaluate.scope import claim, scope, starts_text
from tuner.evaluate.token_counts import in_words as counts_in_words
from tuner.machine.disturbance import sentences
from tuner.machine.resources import in_words
from tuner.report.breakdown_table import PartsTable
from tuner.report.cells import COUNTS_FROM, interval, left_out, percent
from tuner.report.file_contents import holds
from tuner.report.gain_lines import drift_in_words, gain_in_words
from tuner.report.starting import limits_in_words, starting_in_words
from tuner.report.terminal import console as console
from tuner.search.budget import Plan
from tuner.search.frontier import Point
from tuner.search.result import Result, Screened
from tuner.spec.knobs import Knob, says_something
from tuner.spec.study import Study
from tuner.spec.values import Slo

STYLE = {"PASS": "bold green", "FAIL": "bold red", "UNDECIDED": "bold yellow"}


def show_plan(plan: Plan, study: Study) -> Text:
    """Return the plan of a run in words."""
    targets = ", ".join(map(str, study.slos))
    return Text(
        f"Study {study.name}: {targets}; {study.workload.load}; seed {study.seed}.\n"
        f"Plan for {plan.budget_s / 60:.1f} minutes, if a request takes "
        f"{plan.pace.request_s:.2f} s: about {plan.trials} trials in "
        f"{plan.screening_s / 60:.1f} min, a longer look at the best few in "
        f"{plan.shortlist_s / 60:.1f} min, proof on held-out prompts in "
        f"{plan.confirmation_s / 60:.1f} min; {_sent(plan)}"
    )


def _sent(plan: Plan) -> str:
    """Say how many requests or starts a plan takes; a server of somebody else may cost money."""
    if not plan.rhythm.one_start:
        return (
            f"about {plan.restarts} engine starts of some {plan.pace.restart_s:.3g} s each, "
            f"{plan.restarting_s / 60:.1f} min in all."
        )
    return (
        f"about {plan.requests} requests in all at that pace.\n"
        "The server cannot be started again. One that is faster is sent more requests in the same "
        "time: how many is said once its pace is known, and --budget bounds them."
    )


def show_result(result: Result) -> Group:
    """Return a result for people: verdict, baseline against best, what it holds for, the files."""
    parts: list[RenderableType] = [_headline(result)]
    if result.best is not None:
        parts.append(_table(result))
        parts.append(Text(_settings(result)))
    parts += [Text(f"  - {reason}", style="yellow") for reason in result.reasons]
    parts += [Text(f"  - {said}", style="yellow") for said in _failed(result)]
    parts += [Text(f"  - disturbed: {said}", style="yellow") for said in sentences(result.windows)]
    parts.append(Text(_closing(result)))
    return Group(*parts)


def _failed(result: Result) -> list[str]:
    """Say why requests of baseline and best failed, where some did."""
    sides = {"baseline": result.baseline, "best": result.best}
    return [
        f"{name}: {failed_in_words(m.failure_reasons, m.n)}"
        for name, m in sides.items()
        if m and m.failure_reasons
    ]


def _headline(result: Result) -> Text:
    targets = ", ".join(map(str, result.study.slos))
    if result.verdict != "PASS":
        words = (
            f"NOT PROVEN ({result.verdict}): {targets}. The best candidate is written, unproven."
        )
    elif result.keeps_baseline:
        words = (
            f"PROVEN: {targets}, {_guarded(result)}. The baseline meets this, and no finalist is "
            "better beyond noise: keep it."
        )
    else:
        words = f"PROVEN: {targets}, {_guarded(result)}."
    return Text(words, style=STYLE[result.verdict])


def _guarded(result: Result) -> str:
    """Return what was asked of the answers; without a guard, how many of them were whole."""
    if result.study.guard.asks:
        return "with the answers guarded"
    valid = result.best.guard.valid.value if result.best else None
    whole = "" if valid is None else f"; {valid:.0%} of them were whole"
    return f"with nothing asked of the answers (no guard){whole}"


def _table(result: Result) -> Table:
    table = Table(show_edge=False, pad_edge=False)
    table.add_column("")
    table.add_column("baseline", justify="right")
    table.add_column("best", justify="right", style="bold")
    pair = (result.baseline, result.best)
    for label, cells in rows(result.study, pair):
        table.add_row(label, *cells)
    return table


def rows(study: Study, measured: tuple[Measurement | None, ...]) -> list[tuple[str, list[str]]]:
    """Return the lines of a comparison: a label and a cell for each measurement."""
    present = [m for m in measured if m is not None]
    metrics = [(m, q) for m in ("e2e", "ttft", "tpot") for q in (0.5, 0.99)]
    lines = [
        (f"{metric} p{q * 100:g} ms", [quantile_text(m, metric, q) for m in measured])
        for metric, q in metrics
    ]
    for slo in study.slos:
        lines.append((str(slo), [_verdict(m, slo) for m in measured]))
    lines.append(("requests (starts)", [f"{m.n} ({m.starts})" if m else "-" for m in measured]))
    lines.append(("valid %", [percent(m.guard.valid) if m else "-" for m in measured]))
    if study.workload.judged:
        lines.append(("correct %", [percent(m.guard.correct) if m else "-" for m in measured]))
    for name in dict.fromkeys(k for m in present for k in m.guard.verdicts):
        lines.append((name, [m.guard.verdicts.get(name, "-") if m else "-" for m in measured]))
    for name in sorted({k for m in present for k in m.guard.counts}):
        label = "valid" if name == "correct" and not study.workload.judged else name
        lines.append(
            (f"  {label}", [str(m.guard.counts.get(name, 0)) if m else "-" for m in measured])
        )
    lines.append(
        ("failed requests", [str(sum(m.failures.values())) if m else "-" for m in measured])
    )
    lines.append(("output tokens/s", [rate_text(m, "output_tokens_per_s", 1) for m in measured]))
    lines.append(("memory MiB", [_mebibytes(m) for m in measured]))
    return lines


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


def _mebibytes(m: Measurement | None) -> str:
    return f"{m.memory_bytes / 2**20:.0f}" if m and m.memory_bytes else "-"


def _settings(result: Result) -> str:
    found = [f"{knob}: {was} -> {now}" for knob, (was, now) in result.changed.items()]
    return "Changed: " + ("; ".join(found) or "nothing; the baseline stays")


def _closing(result: Result) -> str:
    best = result.best
    lines = [_load(result.study), f"Model: {result.environment.get('model')}."]
    lines += scope(result.study)
    if best is not None:
        lines += [
            _terms(best),
            *claim(result.study, best),
            *counts_in_words(best.counts),
            left_out(best.warmups, best.slowest_warmup_s),
            *([observed_in_words(best.observed)] if best.observed else []),
            *limits_in_words(best),
            *_on_trust(best, result.knobs),
        ]
    lines += [gain_in_words(result), *drift_in_words(result.drift)]
    if result.cold is not None:
        lines.append(cold_in_words(result.cold))
    if result.continued:
        lines.append(f"The larger budget brought: {'; '.join(result.continued)}.")
    lines += [_frontier(result), _screening(result.screened), _spent(result)]
    lines += starting_in_words(result)
    if result.files_checked is not None:
        lines.append(f"Files: {result.files_checked}.")
    for name, path in result.artifacts.items():
        lines.append(f"{name}: {path}{holds(name, result)}")
    lines.append(f"All numbers and samples: {result.out}")
    return "\n".join(lines)


def _load(study: Study) -> str:
    """Say how requests were sent, and from which instant latencies count."""
    load = study.workload.load
    said = f"Load: {load}; {COUNTS_FROM[load.counts_from]}."
    if study.url and study.certificate_checked is False:
        said += f" The certificate of {study.url.origin} was not checked (engine.verify: false)."
    return said


def _frontier(result: Result) -> str:
    """Say which candidates are fastest, most correct and smallest, by the search's estimates."""
    met = [p for p in result.frontier if p.trial.feasible]
    if not met:
        return "Frontier: no screened candidate met all estimates."
    pairs = {
        "fastest": min(met, key=lambda p: p.e2e_p99_s),
    }
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


def _spent(result: Result) -> str:
    spent = result.spent
    starts = "" if result.study.one_start else f", {spent['restarts']:.0f} engine starts"
    return (
        f"Spent {spent['seconds']:.0f} s, {spent['requests']:.0f} requests{starts}; the engine was "
        "working "
        f"{spent['engine_busy_s'] / max(spent['seconds'], 1e-9):.0%} of the time; cutting hopeless "
        f"trials saved {spent['saved_by_racing_s']:.0f} s."
        + (f" It waited {spent['paused_s']:.0f} s for production." if spent["paused_s"] else "")
    )


def _terms(best: Measurement) -> str:
    parts = [
        f"{slo}: {c.confidence:.1%} confidence, n = {c.n}, m = {c.m}"
        + (f", stands for bursts of late requests up to {c.bursts}" if c.verdict == "PASS" else "")
        for slo, c in best.certificates.items()
    ]
    return "Terms: " + "; ".join([*parts, starts_text(best.starts), ends_text(best)])


def ends_text(m: Measurement) -> str:
    """Say how sure the intervals of a measurement are."""
    return f"each end of a bracket holds at {m.confidence:.2%}, at every n"


def _on_trust(best: Measurement, knobs: Mapping[str, Knob]) -> list[str]:
    """Say which settings were sent and could not be read back from the engine."""
    unread = best.effective.unverified if best.effective else ()
    names = [n for n in unread if says_something(knobs, n, best.candidate)]
    return [f"Not read back from the engine, taken on trust: {', '.join(names)}."] if names else []


def show_measurement(m: Measurement, study: Study) -> Group:
    """Return one measurement as a table."""
    table = Table(show_edge=False, pad_edge=False)
    table.add_column("")
    table.add_column("measured", justify="right")
    for label, cells in rows(study, (m,)):
        table.add_row(label, *cells)
    left = Text(left_out(m.warmups, m.slowest_warmup_s))
    words: list[RenderableType] = [Text(_load(study)), left, Text(f"Terms: {ends_text(m)}.")]
    words += [Text(said) for said in claim(study, m)]
    if m.failure_reasons:
        words.append(Text(failed_in_words(m.failure_reasons, m.n), style="yellow"))
    if m.saturated:
        words.append(Text(f"INVALID: {m.saturated}.", style="bold red"))
    windows = {"the measurement": m.machine} if m.machine else {}
    words += [Text(f"Disturbed: {said}.", style="yellow") for said in sentences(windows)]
    words += [Text(said) for said in (*limits_in_words(m), *counts_in_words(m.counts))]
    if m.resources is not None:
        words.append(Text(in_words(m.resources)))
    if m.observed is not None:
        words.append(Text(observed_in_words(m.observed)))
    parts = breakdown(m.samples, scheduled=study.workload.load.open_loop)
    if parts is not None:
        words.append(PartsTable(parts))
    return Group(table, *words)


def as_text(shown: RenderableType) -> str:
    """Return what is shown as plain text, for a file."""
    plain = Console(file=StringIO(), width=120, color_system=None)
    plain.print(shown)
    return cast(StringIO, plain.file).getvalue()
