"""Put what was shown to be better into service, and watch it by day."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from tuner.engines.deployment import Version
from tuner.evaluate.measurement import Measurement
from tuner.evaluate.night import Outcome
from tuner.machine.interrupts import put_off
from tuner.report.apply import show_in_place
from tuner.spec.errors import EngineError
from tuner.spec.requests.conversation import client_part
from tuner.spec.values import Candidate
from tuner.workflow.checking.serving import Serving
from tuner.workflow.checking.sources import Probe
from tuner.workflow.checking.watch import WINDOW_S, WatchPlan, watch
from tuner.workflow.nightly.asked import BY, Asked, Program
from tuner.workflow.nightly.incumbent import Incumbent, is_there
from tuner.workflow.service.apply import Applied, apply
from tuner.workflow.service.in_place import measure
from tuner.workflow.service.journal import locked
from tuner.workflow.service.proposal import Proposal, propose
from tuner.workflow.service.way_back import go_back, last_kept, serves

Say = Callable[[str], None]


def promote(asked: Asked, was: Incumbent, better: Outcome, program: Program, say: Say) -> Outcome:
    """Put a result that was shown to be better into service; take it back where it fails in place.

    Raises EngineError where taking back failed as well.
    """
    deployment, result = asked.deployment, better.result
    assert result is not None
    with locked(deployment) as journal:
        if not is_there(deployment, was):
            changed = f"{deployment.name} was changed by somebody else in the night: {better.why}"
            return replace(better, decision="undecided", why=changed)
        proposal = propose(result, "env", deployment)
        check = _check(asked, proposal, program, say)
        try:
            with program.ending_cleanly():
                done = apply(proposal, deployment, journal, datetime.now(), say, check, BY)
        except EngineError as error:
            if journal.unfinished() is None and is_there(deployment, was):
                say(str(error))  # with the end of the server's log; the night's reason is a line
                why = _taken_back(asked, str(error).splitlines()[0])
                return replace(better, decision="rolled_back", why=why)
            raise
    if done.failed:
        why = _taken_back(asked, "a target failed in place")
        return replace(better, decision="rolled_back", why=why)
    return replace(better, decision="promoted", why=_promoted(asked, done, better))


def _check(
    asked: Asked, proposal: Proposal, program: Program, say: Say
) -> Callable[[], Measurement] | None:
    """Return a function that measures in place and says what came out, None for no requests."""
    if not asked.requests:
        return None
    out = proposal.folder / "service" / f"in-place-{datetime.now():%Y%m%dT%H%M%S}"

    def check() -> Measurement:
        found = program.run_loop(
            lambda: measure(proposal, asked.study, asked.deployment, out, asked.requests)
        )
        for line in show_in_place(found):
            say(line)
        return found

    return check


def _taken_back(asked: Asked, why: str) -> str:
    return f"rolled back: {why}; {asked.deployment.name} serves what it served before"


def _promoted(asked: Asked, done: Applied, better: Outcome) -> str:
    name = asked.deployment.name
    before = f"what served before is {done.kept}" if done.kept else "nothing served before"
    return f"{better.why}; it serves as {name} now, {before}; `tune rollback {name}` goes back"


# by day
@dataclass(frozen=True, slots=True)
class Seen:
    """How a watch ended: `lost` says what was shown to be missed, `note` what is to be known."""

    lost: str | None = None
    note: str | None = None


def watch_by_day(
    asked: Asked, was: Incumbent, promoted: Outcome, program: Program, say: Say
) -> Outcome | None:
    """Watch what was promoted; return what became of it where it was taken back, else None.

    It is taken back where a target is shown to be lost by a server that was started with it.
    Without data nothing is shown, and it stays. Raises EngineError where it cannot be taken back.
    """
    now, challenger = asked.deployment.current(), promoted.challenger
    if now is None or challenger is None or not asked.watch_s:
        return None
    say(f"watching {asked.deployment.name} for {asked.watch_s:.0f} s")
    seen = program.run_loop(lambda: _watched(asked, challenger.candidate, now))
    if seen.lost is None:
        say(seen.note or "the watch ended: no target was shown to be lost")
        return None
    return _back(asked, now, promoted, seen.lost, say)


async def _watched(asked: Asked, candidate: Candidate, promoted: Version) -> Seen:
    """Watch until a target is lost, another version serves, or the time is over."""
    deployment = asked.deployment
    sent = client_part(candidate, deployment.holds_prompt)
    probe = Probe.of(
        Serving(asked.study, deployment.engine(asked.study), sent), None, asked.watch_rate
    )
    plan = WatchPlan(min(WINDOW_S, asked.watch_s), asked.watch_s)
    try:
        async with contextlib.aclosing(watch(probe, plan)) as looks:
            async for look in looks:
                if not serves(deployment, promoted):
                    return Seen(note=f"{deployment.name} was changed by somebody else: {_LEFT}")
                if look.state == "lost":
                    return Seen(lost="; ".join(look.missed) or "a target is lost")
    except EngineError as down:
        return Seen(lost=f"it does not answer ({down})")
    return Seen()


_LEFT = "it is watched no more"


def _back(asked: Asked, now: Version, promoted: Outcome, lost: str, say: Say) -> Outcome | None:
    """Bring back what served before, where what lost its target is what was promoted."""
    deployment = asked.deployment
    with locked(deployment) as journal, put_off():
        if not serves(deployment, now):
            say(f"{deployment.name} was changed by somebody else: {_LEFT}")
            return None
        if deployment.is_new() is False:
            say(f"{lost}, but by a process that served before the promotion: nothing is taken back")
            return None
        before = last_kept(deployment, journal)
        if before is None:
            say(f"{lost}; nothing served before, so that it stays: look for something better")
            return None
        told = go_back(deployment, journal, before, datetime.now(), BY)
    if told:
        say(told)
    why = f"by day {lost}: {deployment.name} serves again what it served before"
    return replace(promoted, decision="rolled_back", why=why)
