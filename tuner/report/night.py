"""Show what a night came to: the reason in a sentence, as JSON, and for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from tuner import __version__
from tuner.evaluate.duel import FLOOR, Evidence
from tuner.evaluate.measurement import METRICS, Measurement
from tuner.evaluate.night import Challenger, Outcome
from tuner.spec.values import Verdict
from tuner.telling.night import Decision

OTHERS = {"incumbent": "what serves", "anchor": "what a person put into service last"}
_SIDES = ("incumbent", "challenger", "anchor")
_STYLES: dict[Decision, str] = {
    "promoted": "bold green", "rolled_back": "bold red", "failed": "bold red",
}  # fmt: skip


def reasons_against(evidence: Evidence, alpha: float) -> str:
    """Say why a challenger was decided against."""
    found = []
    if evidence.meets == "FAIL":
        found.append("it was shown to miss a target or a floor")
    found += [
        f"its answers were shown to be worse than those of {OTHERS[side]}"
        for side, verdict in evidence.not_worse.items()
        if verdict == "FAIL"
    ]
    return "; ".join(found) or f"it {_pairs(evidence)}, and {FLOOR:.0%} is not in sight"


def open_text(evidence: Evidence, alpha: float) -> str:
    """Say what is not shown yet of a challenger, and by how much."""
    found = []
    if evidence.meets != "PASS":
        found.append("that it meets every target and floor is open")
    found += [
        f"that its answers are not worse than those of {OTHERS[side]} is open"
        for side, verdict in evidence.not_worse.items()
        if verdict != "PASS"
    ]
    if evidence.incumbent != "FAIL" and not evidence.better(alpha / 2):
        found.append(f"it {_pairs(evidence)} (e = {evidence.e:.3g} of {2 / alpha:.0f} needed)")
    return "; ".join(found)


def _pairs(evidence: Evidence) -> str:
    pairs = evidence.won + evidence.lost
    return f"won {evidence.won} of {pairs} pairs of blocks by more than {FLOOR:.0%}"


def night_document(outcome: Outcome, name: str) -> dict[str, Any]:
    """Return a night as JSON, `tuner.night/1`; seconds throughout."""
    return {
        "schema": "tuner.night/1",
        "tuner_version": __version__,
        "name": name,
        "decision": outcome.decision,
        "why": outcome.why,
        "seconds": outcome.seconds,
        "world": outcome.world,
        "challenger": _challenger(outcome.challenger),
        "evidence": _evidence(outcome),
        "sides": {side: _side(m) for side, m in outcome.measured.items()},
        "trials": dict(outcome.trials),
        "result": None if outcome.result is None else str(outcome.result.absolute()),
        "repaired": outcome.repaired,
        "drift": outcome.drift,
        "waits": outcome.waits,
        "target_lost": outcome.target_lost,
        "alarm": outcome.alarms,
        "told": [str(delivery) for delivery in outcome.told],
        "untold": sum(delivery.state == "failed" for delivery in outcome.told),
    }


def _challenger(found: Challenger | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "id": found.id,
        "number": found.number,
        "alpha": found.alpha,
        "candidate": dict(found.candidate),
    }


def _evidence(outcome: Outcome) -> dict[str, Any] | None:
    found = outcome.evidence
    if found is None or outcome.challenger is None:
        return None
    return {
        "won": found.won,
        "lost": found.lost,
        "e": found.e,
        "needed": 2 / outcome.challenger.alpha,
        "meets": found.meets,
        "not_worse": dict(found.not_worse),
        "answers_by": outcome.by,
        "incumbent": found.incumbent,
    }


def _side(m: Measurement) -> dict[str, Any]:
    """Return what a side showed; each quantile as value, low, high."""
    return {
        "n": m.n,
        "engine_starts": m.starts,
        "late": {str(slo): c.late for slo, c in m.certificates.items()},
        "quantiles": {
            metric: {
                f"{q:g}": [bound.value, bound.low, bound.high]
                for q, bound in m.quantiles[metric].items()
            }
            for metric in METRICS
        },
        "valid": m.guard.valid.value,
        "correct": m.guard.correct.value,
    }


def show_night(outcome: Outcome, name: str) -> Group:
    """Return a night for people: the decision, what was compared, and what that showed."""
    word = outcome.decision.replace("_", " ")
    line = Text(f"{name}: {word}", style=_STYLES.get(outcome.decision, "bold"))
    parts: list[Text | Table] = [line, Text(outcome.why)]
    if outcome.evidence is not None and outcome.challenger is not None:
        parts += [_sides_table(outcome), Text(_judged(outcome.evidence, outcome.challenger))]
        parts.append(Text(f"answers were compared by {outcome.by}"))
    if outcome.drift:
        parts.append(Text(outcome.drift, style="yellow"))
    parts += [Text(f"not told: {d}", style="yellow") for d in outcome.told if d.state == "failed"]
    return Group(*parts)


def _sides_table(outcome: Outcome) -> Table:
    table = Table("", *(side for side in _SIDES if side in outcome.measured))
    shown = [outcome.measured[side] for side in _SIDES if side in outcome.measured]
    for label, cells in _rows(shown, judged=outcome.judged):
        table.add_row(label, *cells)
    return table


def _rows(shown: list[Measurement], *, judged: bool) -> Iterator[tuple[str, list[str]]]:
    yield "requests", [str(m.n) for m in shown]
    for slo in shown[0].certificates:
        late = [f"{m.certificates[slo].late} late: {m.certificates[slo].verdict}" for m in shown]
        yield str(slo), late
        for q in (0.5, slo.quantile):
            yield f"{slo.metric} p{100 * q:g}", [_quantile(m, slo.metric, q) for m in shown]
    yield "valid", [_share(m.guard.valid.value) for m in shown]
    if judged:
        yield "correct", [_share(m.guard.correct.value) for m in shown]


def _quantile(m: Measurement, metric: str, q: float) -> str:
    found = m.quantiles[metric][q]
    if found.value is None:
        return "-"
    low, high = (None if v is None else f"{1000 * v:.0f}" for v in (found.low, found.high))
    return f"{1000 * found.value:.0f} ms [{low or '?'}, {high or '?'}]"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _judged(evidence: Evidence, challenger: Challenger) -> str:
    verdicts: dict[str, Verdict] = {"targets and floors": evidence.meets}
    verdicts |= {f"not worse than {OTHERS[side]}": v for side, v in evidence.not_worse.items()}
    said = "; ".join(f"{what}: {verdict}" for what, verdict in verdicts.items())
    return (
        f"challenger {challenger.number} of the year, at an error of {challenger.alpha:.2%}: it "
        f"{_pairs(evidence)} (e = {evidence.e:.3g} of {2 / challenger.alpha:.0f} needed); {said}"
    )
