"""What the search did, as JSON: its trials, the frontier, and how well it judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from tuner.evaluate.estimates import shares, tokens_per_s
from tuner.report.cells import finite
from tuner.search.frontier import Point
from tuner.search.result import Result, Screened
from tuner.search.trial import Trial, estimate_s, p99_s
from tuner.spec.values import changes


def trial_document(trial: Trial, result: Result) -> dict[str, Any]:
    """Return a trial of the search with its estimates; `e2e_p99_s` is null where infinite."""
    valid, correct = shares(trial.samples)
    study, samples = result.study, trial.samples
    base = result.baseline.candidate if result.baseline else {}
    return {
        "number": trial.number,
        "state": trial.state,
        "origin": trial.origin,
        "reason": trial.reason,
        "server_reason": trial.observed.reason.name if trial.observed else None,
        "candidate": dict(trial.candidate),
        "changed": list(changes(trial.candidate, base)),
        "n": len(trial.samples),
        "valid": valid,
        "correct": correct,
        "value": finite(trial.value),
        "violations": {k: finite(v) for k, v in trial.violations.items()},
        "estimates_s": {str(s): finite(estimate_s(study, s, samples)) for s in study.slos},
        "e2e_p99_s": finite(p99_s(study, samples)),
        "output_tokens_per_s": tokens_per_s(samples) if samples else None,
        "memory_bytes": trial.memory_bytes,
    }


def point_document(point: Point) -> dict[str, Any]:
    """Return a point of the frontier."""
    return {
        "trial": point.trial.number,
        "candidate": dict(point.trial.candidate),
        "n": len(point.trial.samples),
        "meets_all_estimates": point.trial.feasible,
        "e2e_p99_s": finite(point.e2e_p99_s),
        "correct": point.correct,
        "output_tokens_per_s": point.tokens_per_s,
        "memory_bytes": point.memory_bytes,
    }


def screening_document(screened: Sequence[Screened]) -> dict[str, Any]:
    """Return how often screening and confirmation lay on different sides of the target."""
    finalists = [{**asdict(s), "quantile_s": finite(s.quantile_s)} for s in screened]
    disagreed = sum(not s.agreed for s in screened)
    return {"confirmed": len(screened), "disagreed": disagreed, "finalists": finalists}
