"""Put a result into service under the name that clients use, as a transaction.

The name changes hands in one step, and what served before serves until then. Each step is written
down before the next one begins. Where the check in place fails or does not end, the old version
serves again; where `tune` is killed, the next one sees to that (`repair`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from tuner.engines.deployment import Deployment, ServerSetup, Version
from tuner.evaluate.measurement import Measurement
from tuner.machine.interrupts import put_off
from tuner.report.apply import busy_in_place
from tuner.spec.errors import EngineError, TunerError
from tuner.store.run_folder import writing
from tuner.workflow.service.journal import Journal, Promotion
from tuner.workflow.service.proposal import Proposal
from tuner.workflow.service.way_back import take_back

_ALL_LATE = 20
"""So many requests are all late once in a million times (2^-20) where half of them may be, if they
are independent."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What was done.

    `kept` is how what served before is called now, None where nothing did. `measured` is the check
    in place, None without one.
    """

    kept: str | None
    measured: Measurement | None

    @property
    def failed(self) -> bool:
        """Tell whether a target failed in place, so that everything was taken back."""
        return self.measured is not None and failed_in_place(self.measured)


def failed_in_place(measured: Measurement) -> bool:
    """Tell whether a check in place shows that a target fails, or has every request late.

    Late requests that hang together prove little of a median, however many they are; where none was
    in time, what served before is the better bet. A client that could not keep up decides nothing,
    unless requests failed as well: requests to a dead server fail at once, and so keep any client
    busy.
    """
    if measured.saturated and not any(measured.failures.values()):
        return False
    certificates = measured.certificates.values()
    return measured.verdict == "FAIL" or any(
        c.verdict == "FAIL" or c.late == c.n >= _ALL_LATE for c in certificates
    )


def apply(
    proposal: Proposal,
    deployment: Deployment,
    journal: Journal,
    now: datetime,
    say: Callable[[str], None],
    check: Callable[[], Measurement] | None = None,
    by: str = "tune apply",
) -> Applied:
    """Put a proposal into service, and take it back unless the check in place ends without failure.

    `by` is the command that does it. Taking back is told through `say`, and so is what could not be
    shown of what serves. Raises what the check raises, EngineError where the deployment refuses or
    what is new does not answer, and OutputError where a step cannot be written down: then it is
    taken back as well.
    """
    if proposal.setup:
        _write(proposal.setup)
    with contextlib.ExitStack() as undo:
        coming = deployment.stage(proposal.release, now)
        undo.callback(deployment.discard, coming)
        promotion = _promotion(coming, deployment, now, proposal, by)
        journal.begin("staged", promotion)
        undo.callback(_undo, promotion, deployment, journal, say)
        _change_hands(promotion, deployment, journal, say)
        label = None if promotion.kept is None else promotion.kept.label
        done = Applied(label, _checked(check, journal))
        with put_off():
            if not done.failed:
                journal.write("settled")
            undo.pop_all()
            if done.failed:
                told = take_back(deployment, journal, promotion) + busy_in_place(done.measured)
                say(told)
                deployment.discard(coming)
    return done


def _promotion(
    coming: Version, deployment: Deployment, now: datetime, proposal: Proposal, by: str
) -> Promotion:
    """Return what is about to be done, and whether what serves answers."""
    kept = deployment.keeping(now)
    return Promotion(
        name=deployment.name,
        coming=coming,
        kept=kept,
        at=now.isoformat(" ", "minutes"),
        answered=None if kept is None else _answers(deployment),
        record=deployment.record(),
        by=by,
        candidate=proposal.release.candidate,
        model=(proposal.result.get("environment") or {}).get("model_digest"),
        result=str(proposal.folder.absolute()),
    )


def _answers(deployment: Deployment) -> bool:
    try:
        deployment.check()
    except EngineError:
        return False
    return True


def _change_hands(
    promotion: Promotion, deployment: Deployment, journal: Journal, say: Callable[[str], None]
) -> None:
    """Keep the old version, give the name to what is staged, and have it serve."""
    journal.write("keeping")
    deployment.promote(promotion.coming, promotion.kept)
    journal.write("swapped")
    if unshown := deployment.reload():
        say(unshown)
    journal.write("reloaded")


def _checked(check: Callable[[], Measurement] | None, journal: Journal) -> Measurement | None:
    """Return what the check in place measured; write down that it ended without failure."""
    measured = check() if check else None
    if measured is not None and not failed_in_place(measured):
        journal.write("checked")
    return measured


def _undo(
    promotion: Promotion, deployment: Deployment, journal: Journal, say: Callable[[str], None]
) -> None:
    """Take back what was done and say so; a signal that comes meanwhile waits until then."""
    with put_off():
        try:
            say(take_back(deployment, journal, promotion))
        except TunerError as error:
            say(str(error))


def _write(setup: ServerSetup) -> None:
    with writing(setup.file):
        setup.file.parent.mkdir(exist_ok=True)
        setup.file.write_text(setup.text, encoding="utf-8")
