"""Read the journal of a name before anything is done to it, and end what was cut off."""

from __future__ import annotations

from dataclasses import dataclass

from tuner.engines.deployment import Deployment
from tuner.machine.interrupts import put_off
from tuner.workflow.service.journal import Journal, Promotion
from tuner.workflow.service.way_back import command, finish_return, is_ours, serves, take_back


@dataclass(frozen=True, slots=True)
class Repaired:
    """What was cut off and is ended now: `told` says so, `back` where the old one serves again."""

    told: str
    back: bool


def repair(deployment: Deployment, journal: Journal) -> Repaired | None:
    """End what was cut off, None where nothing was: what was never checked does not go on serving.

    What was checked well stays. Signals that end the program wait. Raises EngineError where it
    cannot be ended, and leaves it to the next `tune` then.
    """
    cut = journal.unfinished()
    if cut is None:
        return None
    with put_off():
        if "returning" in cut.steps:
            return Repaired(_returned(deployment, journal, cut), back=True)
        if "checked" in cut.steps and serves(deployment, cut.coming):
            journal.write("settled")
            told = f"the {cut.by} of {cut.at} was cut off after its check: {cut.name} serves it"
            return Repaired(told, back=False)
        return Repaired(_undone(deployment, journal, cut), back=True)


def _returned(deployment: Deployment, journal: Journal, cut: Promotion) -> str:
    if not is_ours(deployment, cut):
        journal.write("left")
        return f"the {cut.by} of {cut.at} was cut off; {_changed(cut)}"
    remark = finish_return(deployment, journal, cut)
    rest = f"; {remark}" if remark else ""
    return f"the {cut.by} of {cut.at} was cut off, and is done now{rest}"


def _undone(deployment: Deployment, journal: Journal, cut: Promotion) -> str:
    """Take back what was not checked; of what changed nothing only what is staged goes."""
    untouched = "swapped" not in cut.steps and serves(deployment, cut.kept)
    told = take_back(deployment, journal, cut)
    deployment.discard(cut.coming)
    if untouched:
        return f"the {cut.by} of {cut.at} was cut off before {cut.name} changed hands"
    return f"the check in place of the {cut.by} of {cut.at} did not end; {told}"


def _changed(cut: Promotion) -> str:
    return f"{cut.name} was changed by somebody else since, and stays as it is"


def unfinished(deployment: Deployment, journal: Journal) -> str | None:
    """Return a sentence where what was never checked serves since an `apply` was killed, or None.

    Nothing is changed: it is for who only wants to look.
    """
    cut = journal.unfinished()
    if cut is None or "checked" in cut.steps or not serves(deployment, cut.coming):
        return None
    return (
        f"the check in place of the {cut.by} of {cut.at} did not end: {cut.name} serves what was "
        f"not checked; {command(deployment, cut)}"
    )
