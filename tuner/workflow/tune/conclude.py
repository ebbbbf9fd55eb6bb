"""Turn what was measured into a result: the best, its gain over the baseline, its artifacts."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tuner.engines.artifacts import Evidence
from tuner.engines.registry import kind_of
from tuner.evaluate.cold_start import ColdStarts
from tuner.evaluate.estimates import worst_latencies
from tuner.evaluate.lateness import by_block
from tuner.evaluate.measurement import Measurement
from tuner.evaluate.scope import scope, starts_text
from tuner.search.budget import Plan
from tuner.search.error import MAX_FINALISTS
from tuner.search.frontier import frontier
from tuner.search.result import BaselineDrift, Result, Screened
from tuner.search.trial import Trial, value
from tuner.spec.study import Study
from tuner.spec.values import Candidate, Sample, Setting, Slo, changes
from tuner.stats.quantiles import quantile
from tuner.store.run_folder import write_files
from tuner.workflow.measuring.artifacts import placed, served_candidate
from tuner.workflow.measuring.environment import environment
from tuner.workflow.measuring.session import Session
from tuner.workflow.tune.larger_budget import used_up
from tuner.workflow.tune.proving.claimed_gains import gains
from tuner.workflow.tune.proving.prove_finalists import Finalists
from tuner.workflow.tune.proving.reasons import what_stood_in_the_way
from tuner.workflow.tune.searching.baseline_drift import drifted


@dataclass(frozen=True, slots=True)
class Finished:
    """All that a run measured, once nothing more is measured.

    `rechecks` are the baseline's samples between the search's trials, a block each; `continued`
    says what a larger budget was spent on, `inert` which knobs make no difference, and why. With
    `shown_better` the first finalist was shown to be better than the baseline by other evidence.
    """

    finalists: Finalists
    trials: Sequence[Trial]
    plan: Plan
    rechecks: Sequence[Sequence[Sample]] = ()
    cold: ColdStarts | None = None
    continued: Sequence[str] = ()
    inert: Mapping[str, str] = field(default_factory=dict)
    shown_better: bool = False

    @property
    def session(self) -> Session:
        """Return the session in which it was measured."""
        return self.finalists.session

    @property
    def base(self) -> Candidate:
        """Return the baseline's settings."""
        return self.finalists.baseline.candidate


def conclude(run: Finished) -> Result:
    """Return the result of a finished run, and write the artifacts of its best candidate."""
    session, study = run.session, run.session.study
    place, best = best_of(run.finalists.measured, worth_to(study))
    alpha, baseline = run.finalists.alpha(place), run.finalists.baseline_measurement()
    shown = gains(study, best, baseline, alpha)
    if best and best.verdict == "PASS" and baseline and baseline.verdict == "PASS":
        best = best if shown.any or run.shown_better else baseline  # what serves stays
    chosen, proven = best or baseline, best is not None and best.verdict == "PASS"
    written = _write_artifacts(session, chosen)
    return Result(
        study=study,
        out=session.folder,
        verdict=best.verdict if best else "UNDECIDED",
        baseline=baseline,
        best=chosen,
        changed=_changed(run.base, chosen),
        gain=shown.latency,
        mean_gain=shown.mean,
        median_gain=shown.median,
        late_gain=shown.late,
        noise_floor=shown.noise_floor,
        trials=run.trials,
        finalists=run.finalists.measured,
        artifacts=written.paths,
        files_checked=written.checked,
        environment=environment(session.engine, _version(best, baseline)),
        frontier=frontier(study, run.trials),
        screened=screening(study, run.trials, run.finalists),
        spent=_spent(session, run.trials),
        plan=run.plan,
        reasons=() if proven else _reasons(run, best, alpha),
        knobs=placed(study, session.engine),
        drift=_drift(run, baseline),
        windows=session.windows,
        cold=run.cold,
        continued=tuple(run.continued),
        starts=tuple(session.starts.measured),
        inert=run.inert,
    )


def _reasons(run: Finished, best: Measurement | None, alpha: float) -> tuple[str, ...]:
    """Return what stood in the way of the best, and of proving further candidates."""
    study, failed = run.session.study, run.finalists.baseline.failed
    reasons = what_stood_in_the_way(study, best, alpha, failed)
    spent = [used_up(study)] if run.finalists.next_index >= MAX_FINALISTS else []
    return (*reasons, *spent)


def _version(*measured: Measurement | None) -> str | None:
    """Return the engine's version, as the first of these that was served says."""
    return next((m.effective.version for m in measured if m and m.effective), None)


def _changed(
    base: Candidate, chosen: Measurement | None
) -> dict[str, tuple[Setting | None, Setting | None]]:
    """Return the settings that differ from the baseline's, as (baseline, chosen)."""
    new = chosen.candidate if chosen else base
    return {knob: (base.get(knob), new[knob]) for knob in changes(new, base)}


def _drift(run: Finished, baseline: Measurement | None) -> BaselineDrift | None:
    proven = by_block(baseline.samples) if baseline else []
    return drifted(run.base, run.trials, run.rechecks, proven)


def best_of(
    measured: Sequence[Measurement], worth: Callable[[Measurement], float] = lambda m: 0.0
) -> tuple[int, Measurement | None]:
    """Return the best measurement and its place in `measured`; (0, None) where there is none.

    Proven ones come first, the one of most `worth` before the others: the errors of all proofs
    hold together. Then come undecided ones, by their evidence, then failed ones, and last those
    of which nothing was measured.
    """
    order = {"PASS": 0, "UNDECIDED": 1, "FAIL": 2}

    def evidence_for(m: Measurement) -> float:
        return min((c.e_pass for c in m.certificates.values()), default=0.0)

    return min(
        enumerate(measured),
        key=lambda found: (
            found[1].n == 0,
            order[found[1].verdict],
            -worth(found[1]) if found[1].verdict == "PASS" else 0.0,
            -evidence_for(found[1]),
        ),
        default=(0, None),
    )


def worth_to(study: Study) -> Callable[[Measurement], float]:
    """Return a function from a measurement to the objective's value, -inf where it is unknown."""

    def worth(m: Measurement) -> float:
        found = value(study, m.samples, m.memory_bytes)
        return -math.inf if math.isnan(found) else found

    return worth


def _slo(study: Study) -> Slo:
    return study.slos[0]


@dataclass(frozen=True, slots=True)
class Written:
    """The files of the best candidate, and what the engine's own parser says of them."""

    paths: Mapping[str, Path] = field(default_factory=dict)
    checked: str | None = None


def _write_artifacts(session: Session, chosen: Measurement | None) -> Written:
    if chosen is None:
        return Written()
    served = served_candidate(
        session.study, session.engine, chosen.candidate, evidence(session, chosen)
    )
    kind = kind_of(session.study)
    files = kind.artifacts(served)
    checked = kind.checked(served, files)
    files |= kind.programs(files, chosen.candidate)
    return Written(write_files(session.folder, files), checked)


def evidence(session: Session, m: Measurement) -> Evidence:
    """Return the evidence that stands in the header of an artifact."""
    study = session.study
    lines = [_evidence_line(slo, m) for slo in m.certificates]
    shares = [_share("valid", m.guard.valid.value)]
    if study.workload.judged:
        shares.append(_share("correct", m.guard.correct.value))
    lines.append(f"answers: {', '.join(shares)}")
    lines += [f"model: {_model(session, m)}", *scope(study)]
    version = m.effective.version if m.effective else session.engine.name
    targets = ", ".join(map(str, study.slos))
    verdict = "PASS" if m.verdict == "PASS" else f"NOT PROVEN ({m.verdict}) to meet {targets}"
    return Evidence(version, str(study.workload.load), verdict, tuple(lines))


def _model(session: Session, m: Measurement) -> str:
    """Return the model's name and, where it is the study's own, its digest."""
    model, chosen = session.engine.model, m.candidate.get("model")
    if chosen not in (None, model.name):
        return str(chosen)
    return ", ".join(filter(None, (model.name, model.digest)))


def _evidence_line(slo: Slo, m: Measurement) -> str:
    c, p = m.certificates[slo], m.quantiles[slo.metric][slo.quantile]
    measured = "unbounded" if p.value is None else f"{p.value * 1000:.0f} ms"
    if unknown := m.counts.unknown_for(slo.metric):
        measured += f" ({unknown} unknown)"
    return (
        f"{slo}: {c.verdict} at {c.confidence:.1%} confidence, {c.late} of {c.n} late, "
        f"measured {measured}, {starts_text(m.starts)}, m = {c.m}"
    )


def _share(name: str, value: float | None) -> str:
    return f"{name} {value:.1%}" if value is not None else f"{name} not measured"


def screening(study: Study, trials: Sequence[Trial], finalists: Finalists) -> list[Screened]:
    """Return what screening said of each finalist beside what its proof found."""
    by_number = {t.number: t for t in trials}
    return [
        _screened(study, by_number[side.trial_number], m)
        for side, m in zip(finalists.sides, finalists.measured, strict=True)
        if side.trial_number in by_number
    ]


def _screened(study: Study, trial: Trial, m: Measurement) -> Screened:
    quantiles = [m.quantiles[slo.metric][slo.quantile].value for slo in study.slos]
    met = [v is not None and v <= s.max_s for v, s in zip(quantiles, study.slos, strict=True)]
    estimate = worst_latencies(study, _slo(study).metric, trial.samples)
    return Screened(
        number=trial.number,
        n=len(trial.samples),
        quantile_s=quantile(estimate, _slo(study).quantile) if estimate else math.inf,
        met=all(trial.violations.get(str(slo), math.inf) <= 0 for slo in study.slos),
        confirmed_n=m.n,
        confirmed_s=quantiles[0],
        confirmed_met=all(met),
        verdict=m.verdict,
    )


def _saved_s(trials: Sequence[Trial]) -> float:
    """Return the seconds that cutting hopeless trials saved, at the pace of their own requests."""
    saved = 0.0
    for t in trials:
        served = [s.latency_s("e2e") for s in t.samples if s.outcome == "ok"]
        if t.state == "pruned" and served:
            saved += (t.planned - len(t.samples)) * sum(served) / len(served)
    return max(saved, 0.0)


def _spent(session: Session, trials: Sequence[Trial]) -> dict[str, float]:
    return {
        "seconds": session.elapsed_s(),
        "engine_busy_s": session.spent.busy_s,
        "requests": session.spent.requests,
        "restarts": session.spent.restarts,
        "saved_by_racing_s": _saved_s(trials),
        "paused_s": session.spent.paused_s,
    }
