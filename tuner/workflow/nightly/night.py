"""One night: repair, compare, promote what is shown to be better, and tell what came of it.

What serves stays in service unless something is shown to be better. Whatever ends a night early,
all that was measured is kept for the next one.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from tuner.engines.base import Engine
from tuner.engines.registry import create
from tuner.evaluate.measurement import Measurement
from tuner.evaluate.night import Outcome
from tuner.report.night import night_document, open_text, reasons_against
from tuner.spec.errors import (
    Busy,
    EngineDied,
    OutputError,
    StartFailed,
    TunerError,
)
from tuner.spec.study import Study
from tuner.spec.values import Candidate
from tuner.store.run_folder import claimed, write_json
from tuner.workflow.beside.load import study_gate
from tuner.workflow.beside.pausing import bring_back, paused
from tuner.workflow.beside.room import ensure_room
from tuner.workflow.measuring.candidates import all_knobs, baseline, leave_out
from tuner.workflow.measuring.run_time import unbounded
from tuner.workflow.nightly.asked import Asked, NotTonight, Program
from tuner.workflow.nightly.comparing.compare import Compared, compare
from tuner.workflow.nightly.comparing.tonight import Tonight
from tuner.workflow.nightly.incumbent import Incumbent, incumbent
from tuner.workflow.nightly.into_service import promote, watch_by_day
from tuner.workflow.nightly.ledger import Ledger, opened
from tuner.workflow.nightly.tell_people import told
from tuner.workflow.nightly.window import until_closed
from tuner.workflow.nightly.world import facts
from tuner.workflow.service.journal import locked
from tuner.workflow.service.repair import repair
from tuner.workflow.tune.preparation import as_served
from tuner.workflow.tune.searching.screening import Watcher

DOCUMENT = "night.json"


def retune(asked: Asked, program: Program, watcher: Watcher) -> Outcome:
    """Do all of a night, and return what it came to.

    Raises Locked while another night of the name goes on, and, after it was written down and told,
    what kept a night from its end: EngineError, InputError, OutputError.
    """
    with opened(asked.deployment) as ledger:
        night = _Night(asked, ledger, program, watcher)
        with contextlib.ExitStack() as cut_off:
            ledger.write("begun", name=asked.deployment.name, out=str(asked.out.absolute()))
            cut_off.callback(night.cut_off)
            try:
                outcome = night.decide()
            except TunerError as error:
                cut_off.pop_all()
                night.end(Outcome("failed", str(error)))
                raise
            cut_off.pop_all()
        outcome = night.end(outcome)
        return night.by_day(outcome)


@dataclass(slots=True)
class _Night:
    """A night on its way, and what serves when it begins."""

    asked: Asked
    ledger: Ledger
    program: Program
    watcher: Watcher
    serves: Incumbent | None = None
    repaired: str | None = None
    began_s: float = field(default_factory=time.monotonic)
    ends_in: Callable[[], float] = unbounded

    def decide(self) -> Outcome:
        """Return what the night comes to."""
        try:
            outcome = self._decided()
        except (NotTonight, Busy) as reason:
            alarm = isinstance(reason, NotTonight) and reason.alarm
            outcome = Outcome("skipped", str(reason), alarm=alarm)
        if self.repaired is None:
            return outcome
        lasting = outcome.decision in ("promoted", "rolled_back")
        why = f"{self.repaired}; {outcome.why}"
        decision = outcome.decision if lasting else "repaired"
        return replace(outcome, decision=decision, why=why, repaired=self.repaired)

    def _decided(self) -> Outcome:
        asked = self.asked
        self.ends_in = until_closed(asked.window)
        with locked(asked.deployment) as journal:
            if done := repair(asked.deployment, journal):
                self.repaired = done.told
                self.watcher.note(done.told)
            self.serves = incumbent(asked.study, asked.deployment, journal)
        found = self.program.run_loop(self._measured)
        outcome = _outcome(found, asked)
        if found.shows != "better" or asked.study.promote == "ask":
            return outcome
        assert outcome.result is not None
        return promote(asked, self.serves, outcome.result, outcome, self.program, self.watcher.note)

    async def _measured(self) -> Compared:
        """Measure with an engine of our own, beside production or in its place."""
        asked, note = self.asked, self.watcher.note
        bring_back(note)
        with (
            paused(asked.pause, note) if asked.pause else contextlib.nullcontext(),
            claimed(asked.out),
        ):
            engine = create(asked.study, asked.out / "engine")
            async with contextlib.aclosing(engine):
                gate = study_gate(asked.study, engine, note)
                if gate is not None:
                    await gate.until_calm(self.ends_in())
                ensure_room(asked.study, engine)
                tonight = await self._begun(engine)
                return await compare(replace(tonight, gate=gate))

    async def _begun(self, engine: Engine) -> Tonight:
        """Start what serves beside production, and return the night that begins with it."""
        assert self.serves is not None
        study, inert = await as_served(
            _of_what_serves(self.asked, self.serves, engine, self.watcher), engine, self.watcher
        )
        base = baseline(study, engine)
        version = await _version(engine, base, self.asked)
        _ensure_same_model(self.serves, engine)
        world = self.ledger.world(facts(study, engine, version))
        return Tonight(
            study, engine, self.asked.out, self.serves, base, self.ledger, world, self.watcher,
            self.ends_in, inert=inert,
        )  # fmt: skip

    # the end
    def end(self, outcome: Outcome) -> Outcome:
        """Tell what came of the night, write it down, and return it with who was told."""
        outcome = replace(outcome, seconds=time.monotonic() - self.began_s)
        outcome = told(self.asked, self.ledger, outcome)
        for delivery in outcome.told:
            if delivery.state == "failed":
                self.watcher.note(f"not told: {delivery}")
        document = night_document(outcome, self.asked.deployment.name)
        with contextlib.suppress(OutputError):  # on a full disk the decision is known all the same
            self.ledger.write("night", out=str(self.asked.out.absolute()), **document)
            if self.asked.out.is_dir():
                write_json(self.asked.out / DOCUMENT, document)
        return outcome

    def cut_off(self) -> None:
        """Write down that a signal ended the night; what was measured goes on another night."""
        self.end(Outcome("skipped", "a signal ended the night; what was measured is kept"))

    def by_day(self, outcome: Outcome) -> Outcome:
        """Watch what was promoted; return what became of it."""
        if outcome.decision != "promoted" or self.serves is None:
            return outcome
        say = self.watcher.note
        back = watch_by_day(self.asked, self.serves, outcome, self.program, say)
        return outcome if back is None else self.end(back)


def _of_what_serves(asked: Asked, serves: Incumbent, engine: Engine, watcher: Watcher) -> Study:
    """Return the study with what serves as its baseline.

    What only a restart of the server sets is left out where that is the user's to make.
    """
    study, knobs = asked.study, all_knobs(engine)
    gone = [name for name in serves.candidate if name not in knobs]
    for name in gone:
        watcher.note(f"{name} is no setting of this engine any more, and is left out")
    now = {name: v for name, v in serves.candidate.items() if name not in gone}
    study = replace(study, baseline=now)
    if asked.deployment.starts_server:
        return study
    why = "a restart of the server sets it, which is yours to make"
    dear = {n: why for n, k in knobs.items() if k.tier == "restart" and n in study.space}
    left, _ = leave_out(study, dear)
    for name in dear:
        watcher.note(f"{name} keeps its value: {why}")
    return replace(left, baseline=now)


async def _version(engine: Engine, base: Candidate, asked: Asked) -> str:
    """Return the engine's version; raise NotTonight where what serves does not start any more."""
    try:
        return (await engine.apply(base)).version
    except (StartFailed, EngineDied) as broken:
        first = str(broken).splitlines()[0]
        raise NotTonight(
            f"the settings that serve as {asked.deployment.name} do not start beside it any more "
            f"({first}): what serves stays; `tune run` finds settings that start"
        ) from None


def _ensure_same_model(serves: Incumbent, engine: Engine) -> None:
    """Raise NotTonight where the study's model is not the one that serves."""
    now, was = engine.model.digest, serves.model
    if None not in (now, was) and now != was:
        raise NotTonight(
            f"the model {engine.model.name} was replaced since it went into service (digest {was}, "
            f"now {now}): nights choose settings, and never a model; `tune run` and `tune apply` "
            "put the new one into service"
        )


def _outcome(found: Compared, asked: Asked) -> Outcome:
    """Return what a comparison comes to, before anything is promoted."""
    if found.shown is None or found.challenger is None:
        why = f"none of {len(found.trials)} candidates looked better than what serves"
        return Outcome("kept", why, world=found.world, trials=found.counts)
    evidence, result = found.shown.evidence, asked.out
    measured: dict[str, Measurement] = dict(found.shown.measured.items())
    outcome = Outcome(
        "undecided", "", found.challenger, evidence, measured, found.shown.by,
        asked.study.workload.judged, found.world, result, found.counts,
    )  # fmt: skip
    if found.shows == "better":
        name = asked.deployment.name
        why = "a challenger is shown to be better"
        ask = f"{why}, and waits for your word: `tune apply {result} --name {name}`"
        return replace(outcome, why=ask if asked.study.promote == "ask" else why)
    if found.shows == "no better":
        why = found.stopped or reasons_against(evidence, found.challenger.alpha)
        return replace(outcome, decision="kept", why=f"the challenger is no better: {why}")
    why = found.stopped or open_text(evidence, found.challenger.alpha)
    return replace(outcome, why=f"the comparison goes on another night: {why}")
