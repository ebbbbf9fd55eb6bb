"""Say why a finalist is not proven, by how much, and what would decide it."""

from __future__ import annotations

import math

from tuner.evaluate.measurement import Measurement
from tuner.spec.study import Study
from tuner.spec.values import Slo, Verdict
from tuner.stats.shares import answers_needed
from tuner.workflow.tune.proving.turns import pairs_missing, requests_missing


def what_stood_in_the_way(
    study: Study, now: Measurement | None, alpha: float, baseline_failed: str | None = None
) -> list[str]:
    """Return a sentence for each open or failed question of a finalist.

    `alpha` is the error it may spend. `baseline_failed` says why the baseline beside it brought
    nothing to compare, None where it did.
    """
    if now is None:
        return ["no candidate could be measured in the time given"]
    reasons = [
        _slo_reason(slo, now, alpha) for slo, c in now.certificates.items() if c.verdict != "PASS"
    ]
    for key, verdict in now.guard.verdicts.items():
        few = key == "max_drop" and bool(baseline_failed or not now.guard.pairs)
        if verdict == "UNDECIDED" and few:
            reasons.append(_few_pairs_reason(now, baseline_failed))
        elif verdict != "PASS":
            reasons.append(_guard_reason(study, key, verdict, now, alpha))
    if now.saturated:
        reasons.append(now.saturated)
    return reasons


def _slo_reason(slo: Slo, now: Measurement, alpha: float) -> str:
    c = now.certificates[slo]
    p = now.quantiles[slo.metric][slo.quantile]
    value = "no bound" if p.value is None else f"{p.value * 1000:.0f} ms"
    if c.verdict == "FAIL":
        return f"latency: {slo} FAILED, {c.late} of {c.n} late, measured {value}"
    if unknown := now.counts.unknown_for(slo.metric):
        return (
            f"output tokens: {slo} is UNDECIDED after {c.n} requests, {c.late} late, {unknown} "
            "unknown: the server told no number of output tokens, and their chunks may hold "
            "several; let it send usage, or set a target on e2e or ttft"
        )
    return (
        f"budget: {slo} is UNDECIDED after {c.n} requests, {c.late} late, measured {value}; "
        f"{requests_missing(now, slo, alpha)} more without a late one would decide it: a larger "
        "--budget"
    )


def _few_pairs_reason(now: Measurement, baseline_failed: str | None) -> str:
    """Say that the baseline lacks answers to compare with, and why."""
    pairs = now.guard.pairs
    found = f"guard: max_drop is UNDECIDED, with {pairs or 'no'} answers of the baseline to compare"
    if baseline_failed is None:
        return f"{found}; no time was left for it: a larger --budget"
    why = baseline_failed.splitlines()[0]
    return f"{found}, since it failed: {why}; let it serve, then go on with --resume"


def _guard_reason(study: Study, key: str, verdict: Verdict, now: Measurement, alpha: float) -> str:
    guard, g = study.guard, now.guard
    share = {"min_valid": g.valid, "min_correct": g.correct, "max_drop": g.difference}[key]
    asked = {
        "min_valid": guard.min_valid,
        "min_correct": guard.min_correct,
        "max_drop": -(guard.max_drop or 0.0),
    }[key]
    low, high, value = (
        "none" if v is None else f"{v:.3f}" for v in (share.low, share.high, share.value)
    )
    counted = f"{g.pairs} pairs" if key == "max_drop" else f"{g.templates} templates"
    seen = f"measured {value} [{low}, {high}] over {counted}, asked is {asked:g}"
    if verdict == "FAIL":
        return f"guard: {key} FAILED, {seen}"
    missing = (
        pairs_missing(now)
        if key == "max_drop"
        else answers_needed(share.value, float(asked or 0.0), alpha) - g.templates
    )
    asked_of = g.pairs if key == "max_drop" else g.templates
    return f"guard: {key} is UNDECIDED, {seen}; {_decides(study, asked_of, missing)}"


def _decides(study: Study, asked: int, missing: float) -> str:
    """Say what would decide an open floor that needs `missing` more templates than `asked`."""
    if math.isinf(missing):
        return "as measured it is not met, so more requests would not show it"
    more = f"about {max(math.ceil(missing), 1)} more"
    here = study.workload.proof_templates - asked
    which = "held-out templates" if study.workload.held_out else "templates"
    if missing <= here:
        return f"{more} of the {which} would decide it: a larger --budget"
    return f"{more} {which} would decide it, and {max(here, 0)} are left: add prompts"
