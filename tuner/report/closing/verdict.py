"""Say in a plain sentence whether a target was met, with the numbers that it rests on."""

from __future__ import annotations

from collections.abc import Mapping

from tuner.evaluate.measurement import Measurement
from tuner.report.closing.rows import quantile_text
from tuner.spec.study import Study
from tuner.spec.values import Metric, Slo, Verdict

STYLE = {"PASS": "bold green", "FAIL": "bold red", "UNDECIDED": "bold yellow"}

_MISSES: Mapping[Metric, str] = {
    "e2e": "take longer than {} ms",
    "ttft": "wait longer than {} ms for the first token",
    "tpot": "take longer than {} ms a token",
}


def proven(verdict: Verdict) -> str:
    """Return the word for a verdict that leads a result."""
    return "PROVEN" if verdict == "PASS" else f"NOT PROVEN ({verdict})"


def targets_in_words(study: Study, m: Measurement) -> str:
    """Say of each target whether it was met, by how many requests, and how sure that is."""
    return "; and ".join(_target(slo, m) for slo in study.slos) + "."


def _target(slo: Slo, m: Measurement) -> str:
    c = m.certificates[slo]
    verdict = c.verdict if m.valid_run else "UNDECIDED"
    share = f"{(1 - slo.quantile) * 100:g} % of requests {_MISSES[slo.metric]}"
    said = {
        "PASS": f"fewer than {share}",
        "FAIL": f"more than {share}",
        "UNDECIDED": f"it is open whether fewer than {share}",
    }[verdict].format(f"{slo.max_s * 1000:g}")
    unknown = m.counts.unknown_for(slo.metric)
    return (
        f"{said} ({slo}): {c.late} of {c.n} did{f' and {unknown} are unknown' if unknown else ''}, "
        f"p{slo.quantile * 100:g} {quantile_text(m, slo.metric, slo.quantile)} ms, "
        f"{c.confidence:.1%} confidence"
    )


def answers_against_verdict(m: Measurement) -> str:
    """Say which floor of the answers keeps a candidate from being proven, "" where none does."""
    open_ = [f"{name} {said}" for name, said in m.guard.verdicts.items() if said != "PASS"]
    return f"The answers are not shown to be as asked: {', '.join(open_)}." if open_ else ""
