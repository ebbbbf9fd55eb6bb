"""The JSON documents: `tuner.measurement/1` and `tuner.result/1`. Seconds throughout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from tuner import __version__
from tuner.engines import observation
from tuner.evaluate.breakdown import Breakdown, Part, Rate, breakdown
from tuner.evaluate.cold_start import cold_document
from tuner.evaluate.measurement import METRICS, Measurement
from tuner.evaluate.scope import claim, scope, start_spread
from tuner.evaluate.token_counts import counts_document
from tuner.guard.verdict import GuardReport
from tuner.machine.disturbance import Disturbance, disturbed, sentences
from tuner.machine.resources import resources_document
from tuner.report.cells import finite
from tuner.report.starting import starting_document
from tuner.report.trial_documents import point_document, screening_document, trial_document
from tuner.search.result import BaselineDrift, FewerLate, Gain, Result
from tuner.spec.identity import declared
from tuner.spec.study import Study
from tuner.spec.values import Slo
from tuner.stats.quantiles import Bound


def measurement_document(
    measured: Measurement, study: Study, environment: Mapping[str, Any]
) -> dict[str, Any]:
    """Return a measurement as JSON, `tuner.measurement/1`."""
    return {
        "schema": "tuner.measurement/1",
        "tuner_version": __version__,
        "candidate": dict(measured.candidate),
        "effective": asdict(measured.effective) if measured.effective else None,
        "n": measured.n,
        "engine_starts": measured.starts,
        "warmups": measured.warmups,
        "slowest_warmup_s": finite(measured.slowest_warmup_s),
        **_load(study),
        "prompts": _prompts(measured, study),
        "threads": measured.effective.threads if measured.effective else None,
        "verdict": measured.verdict,
        "verdicts": [_verdict(slo, measured) for slo in measured.certificates],
        **{metric: _quantiles(measured, metric) for metric in METRICS},
        "breakdown": _breakdown(
            breakdown(measured.samples, scheduled=study.workload.load.open_loop)
        ),
        "guard": _guard(measured.guard),
        "failures": dict(measured.failures),
        "failure_reasons": dict(measured.failure_reasons),
        "throughput": dict(measured.throughput),
        "output": counts_document(measured.counts),
        "memory_bytes": measured.memory_bytes,
        "resources": resources_document(measured.resources, measured.memory_bytes),
        "client": _client(measured),
        "machine": _machine(measured.machine),
        "observed": observation.document(measured.observed),
        "environment": dict(environment),
        "certificate_checked": study.certificate_checked,
        "workload_hash": study.workload.hash,
        "holds_for": claim(study, measured),
        "starts": _starts(study, measured),
        "declared": declared(study),
    }


def result_document(result: Result) -> dict[str, Any]:
    """Return the result of a run as JSON, `tuner.result/1`."""
    study, env = result.study, result.environment

    def doc(m: Measurement | None) -> dict[str, Any] | None:
        return measurement_document(m, study, env) if m else None

    return {
        "schema": "tuner.result/1",
        "tuner_version": __version__,
        "study": study.name,
        "verdict": result.verdict,
        "target": [_slo(s) for s in study.slos],
        "objective": study.objective,
        **_load(study),
        "reasons": list(result.reasons),
        "scope": list(scope(study)),
        "baseline": doc(result.baseline),
        "best": doc(result.best),
        "changed": {knob: now for knob, (_, now) in result.changed.items()},
        "set_by_study": sorted({*study.space, *study.baseline}),
        **_gains(result),
        "keeps_baseline": result.keeps_baseline,
        "noise_floor": finite(result.noise_floor),
        "drift": _drift(result.drift),
        "cold": cold_document(result.cold),
        "continued": list(result.continued),
        "disturbances": _disturbances(result.windows),
        "finalists": [doc(m) for m in result.finalists],
        "trials": [trial_document(t, result) for t in result.trials],
        "frontier": [point_document(p) for p in result.frontier],
        "screening": screening_document(result.screened),
        "artifacts": {name: str(path) for name, path in result.artifacts.items()},
        "environment": dict(env),
        "workload_hash": study.workload.hash,
        "seed": study.seed,
        "sampler": study.sampler,
        "spent": dict(result.spent),
        "starting": starting_document(result),
        "inert": dict(result.inert),
        "files_checked": result.files_checked,
    }


def plan_document(result_plan: Any, study: Study) -> dict[str, Any]:
    """Return the plan of a run as JSON, `tuner.plan/1`: what `--dry-run` says."""
    return {
        "schema": "tuner.plan/1",
        "tuner_version": __version__,
        "study": study.name,
        "target": [_slo(s) for s in study.slos],
        "trials": result_plan.trials,
        "restarts": result_plan.restarts,
        "restarting_s": result_plan.restarting_s,
        "requests": result_plan.requests,
        "budget_s": result_plan.budget_s,
        "search_s": result_plan.search_s,
        "shortlist_s": result_plan.shortlist_s,
        "confirmation_s": result_plan.confirmation_s,
    }


def _starts(study: Study, measured: Measurement) -> dict[str, Any] | None:
    found = start_spread(study, measured)
    return asdict(found) if found else None


def _verdict(slo: Slo, measured: Measurement) -> dict[str, Any]:
    c = measured.certificates[slo]
    return _slo(slo) | {
        "verdict": c.verdict,
        "confidence": c.confidence,
        "n": c.n,
        "late": c.late,
        "unknown": measured.counts.unknown_for(slo.metric),
        "m": c.m,
        "bursts": c.bursts,
        "e_pass": c.e_pass,
        "e_fail": c.e_fail,
    }


def _slo(slo: Slo) -> dict[str, Any]:
    return {"metric": slo.metric, "quantile": slo.quantile, "max_ms": round(slo.max_s * 1000, 6)}


def _load(study: Study) -> dict[str, Any]:
    load = study.workload.load
    return {"load": str(load), "loop": load.loop, "counts_from": load.counts_from}


def _client(measured: Measurement) -> dict[str, Any]:
    client = measured.client
    return asdict(client) | {"cpu_share": client.cpu_share, "valid": measured.valid_run}


def _prompts(measured: Measurement, study: Study) -> str | None:
    """Return which part of the workload was sent: "search", "held-out", or both."""
    kept_back = {t.id for t in study.workload.templates if t.held_out}
    parts = {"held-out" if s.cluster in kept_back else "search" for s in measured.samples}
    return " and ".join(sorted(parts)) or None


def _quantiles(measured: Measurement, metric: str) -> dict[str, Any]:
    found = measured.quantiles[metric]
    bounds = {f"{q:g}": bound_document(b) for q, b in found.items()}
    return {"unit": "s", "confidence": measured.confidence, "quantiles": bounds}


def _breakdown(found: Breakdown | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "n": found.n,
        "left_out": found.left_out,
        "parts": [_part(part, found.n) for part in found.parts],
        "prefill": _rate(found.prefill),
        "decode": _rate(found.decode),
        "connects": {"n": found.connects, "sum_s": found.connecting_s},
    }


def _part(part: Part, n: int) -> dict[str, Any]:
    return {
        "part": part.name,
        "known": part.known,
        "how": part.how,
        "unit": "s",
        "quantiles": {f"{q:g}": bound_document(b) for q, b in part.quantiles.items()},
        "mean": part.sum_s / n,
        "sum": part.sum_s,
        "share": part.share,
        "negative": part.negative,
    }


def _rate(rate: Rate | None) -> dict[str, Any] | None:
    return asdict(rate) if rate else None


def _guard(guard: GuardReport) -> dict[str, Any]:
    return {
        "classes": dict(guard.counts),
        "valid": bound_document(guard.valid),
        "correct": bound_document(guard.correct),
        "templates": guard.templates,
        "verdict": guard.verdict,
        "verdicts": dict(guard.verdicts),
        "correct_minus_baseline": bound_document(guard.difference),
        "pairs": guard.pairs,
        "pairs_needed": finite(guard.pairs_needed),
    }


def _gains(result: Result) -> dict[str, Any]:
    return {
        "gain": _gain(result.gain),
        "mean_gain": _gain(result.mean_gain),
        "median_gain": _gain(result.median_gain),
        "late_gain": _late_gain(result.late_gain),
    }


def _gain(gain: Gain | None) -> dict[str, Any] | None:
    if gain is None:
        return None
    return {
        "metric": gain.metric,
        "quantile": gain.quantile,
        "ratio": bound_document(gain.ratio),
        "confidence": gain.confidence,
    }


def _late_gain(gain: FewerLate | None) -> dict[str, Any] | None:
    if gain is None:
        return None
    return _slo(gain.slo) | {
        "best_minus_baseline": bound_document(gain.difference),
        "confidence": gain.confidence,
    }


def _drift(drift: BaselineDrift | None) -> dict[str, Any] | None:
    if drift is None:
        return None
    return {"metric": drift.metric, "found": drift.trend.beyond_chance, **asdict(drift.trend)}


def _machine(window: Disturbance | None) -> dict[str, Any] | None:
    if window is None:
        return None
    return asdict(window) | {"disturbed": sentences({"the measurement": window})}


def _disturbances(windows: Mapping[str, Disturbance]) -> dict[str, Any]:
    """Return what disturbed the run, in sentences and by the names of the trials."""
    trials = {name: asdict(w) for name, w in windows.items() if disturbed(w)}
    return {"observed": len(windows), "sentences": sentences(windows), "trials": trials}


def bound_document(bound: Bound) -> dict[str, Any]:
    """Return a value with its bounds; what is infinite or undefined is null."""
    return {"value": finite(bound.value), "low": finite(bound.low), "high": finite(bound.high)}
