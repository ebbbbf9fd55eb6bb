"""Decide what a comparison comes to."""

from __future__ import annotations

from dataclasses import replace

from tuner.evaluate.measurement import Measurement
from tuner.evaluate.night import Outcome
from tuner.report.night import open_text, reasons_against
from tuner.workflow.nightly.asked import Asked
from tuner.workflow.nightly.comparing.tonight import Compared


def decision(found: Compared, asked: Asked) -> Outcome:
    """Return what a comparison comes to, before anything is promoted."""
    if found.shown is None or found.challenger is None:
        why = f"none of {len(found.trials)} candidates looked better than what serves"
        return Outcome("kept", why, world=found.world, trials=found.counts)
    evidence, result = found.shown.evidence, asked.out
    measured: dict[str, Measurement] = dict(found.shown.measured.items())
    outcome = Outcome(
        "undecided",
        "",
        found.challenger,
        evidence,
        measured,
        by=found.shown.by,
        judged=asked.study.workload.judged,
        world=found.world,
        result=result,
        trials=found.counts,
    )
    if found.shows == "better":
        name = asked.deployment.name
        waits, why = asked.study.promote == "ask", "a challenger is shown to be better"
        ask = f"{why}, and waits for your word: `tune apply {result} --name {name}`"
        return replace(outcome, why=ask if waits else why, waits=waits)
    if found.shows == "no better":
        why = found.stopped or reasons_against(evidence, found.challenger.alpha)
        return replace(outcome, decision="kept", why=f"the challenger is no better: {why}")
    why = found.stopped or open_text(evidence, found.challenger.alpha)
    told = f"the comparison goes on another night: {why}"
    return replace(outcome, why=told, alarm=found.stopped is not None)
