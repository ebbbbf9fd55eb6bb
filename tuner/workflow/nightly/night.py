"""One night: repair, compare, promote what is shown to be better, and tell what came of it.

What serves stays in service unless something is shown to be better. Whatever ends a night early,
all that was measured is kept for the next one.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from tuner.engines.registry import create
from tuner.evaluate.night import Outcome
from tuner.report.night import night_document
from tuner.spec.errors import (
    Busy,
    EngineError,
    Locked,
    OutputError,
    TunerError,
)
from tuner.store.run_folder import claimed, write_json, writing
from tuner.workflow.beside.load import study_gate
from tuner.workflow.beside.pausing import bring_back, paused
from tuner.workflow.beside.room import ensure_room
from tuner.workflow.measuring.run_time import unbounded
from tuner.workflow.nightly.asked import BY, Asked, NotTonight, Program
from tuner.workflow.nightly.begin import begin
from tuner.workflow.nightly.comparing.compare import compare
from tuner.workflow.nightly.comparing.tonight import Compared
from tuner.workflow.nightly.decide import decision
from tuner.workflow.nightly.drift import told_drift
from tuner.workflow.nightly.incumbent import Incumbent, incumbent
from tuner.workflow.nightly.into_service import promote, watch_by_day
from tuner.workflow.nightly.ledger import Ledger, opened
from tuner.workflow.nightly.tell_people import told
from tuner.workflow.nightly.window import until_closed
from tuner.workflow.reporting.report import write_at_the_end
from tuner.workflow.service.journal import Journal, locked
from tuner.workflow.service.repair import repair
from tuner.workflow.tune.searching.screening import Watcher

DOCUMENT = "night.json"

LEAST_BYTES = 2**16
"""With less room on the disk no night begins."""


def retune(asked: Asked, program: Program, watcher: Watcher) -> Outcome:
    """Do all of a night, and return what it came to.

    Raises Locked while another night of the name goes on, and, after it was written down and told,
    what kept a night from its end: EngineError, InputError, OutputError.
    """
    with opened(asked.deployment) as ledger, contextlib.ExitStack() as cut_off:
        night = _Night(asked, ledger, program, watcher)
        cut_off.callback(night.cut_off)
        with night.failing_aloud():
            ledger.write("begun", name=asked.deployment.name, out=str(asked.out.absolute()))
            outcome = night.end(night.decide())
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
    drift: str | None = None
    ended: bool = False
    began_s: float = field(default_factory=time.monotonic)
    ends_in: Callable[[], float] = unbounded

    def decide(self) -> Outcome:
        """Return what the night comes to."""
        try:
            outcome = self._decided()
        except (NotTonight, Busy) as reason:
            alarm = isinstance(reason, NotTonight) and reason.alarm
            outcome = Outcome("skipped", str(reason), alarm=alarm)
        outcome = replace(outcome, drift=self.drift)
        if self.repaired is None:
            return outcome
        lasting = outcome.decision in ("promoted", "rolled_back")
        why = f"{self.repaired}; {outcome.why}"
        decision = outcome.decision if lasting else "repaired"
        return replace(outcome, decision=decision, why=why, repaired=self.repaired)

    def _decided(self) -> Outcome:
        asked = self.asked
        self.ledger.lines()  # a broken one is told before anything is measured
        with locked(asked.deployment) as journal:
            self._repair(journal)  # also where the window is closed
            self.ends_in = until_closed(asked.window)
            self.serves = incumbent(asked.study, asked.deployment, journal)
        self.drift = told_drift(asked.study, self.serves, self.ledger)
        found = self.program.run_loop(self._measured)
        outcome = decision(found, asked)
        if found.shows == "better" and not outcome.waits:
            outcome = self._promoted(outcome)
        if outcome.decision in ("promoted", "rolled_back") or outcome.waits:
            self._close(outcome)
        return outcome

    def _repair(self, journal: Journal) -> None:
        """End what was cut off; what a night was putting into service then is not tried again."""
        cut, done = journal.unfinished(), repair(self.asked.deployment, journal)
        if cut is not None and done is not None and done.back and cut.by == BY:
            self.ledger.close_all(cut.candidate, "the machine or tune went down in its promotion")
        self.repaired = done.told if done is not None else self._untold(journal)
        if self.repaired is not None:
            self.watcher.note(self.repaired)

    def _untold(self, journal: Journal) -> str | None:
        """Return what a night that was killed could not tell: that it had promoted something."""
        night, last = self.ledger.killed(), journal.promotions()[-1:]
        if night is None or not last or not last[0].settled or last[0].result != night["out"]:
            return None
        return (
            f"the night of {night['at']} was killed after its challenger came to serve as "
            f"{last[0].name}: it serves, and was not watched"
        )

    def _promoted(self, better: Outcome) -> Outcome:
        """Put the challenger into service; what cannot be taken back is not tried again."""
        assert self.serves is not None
        try:
            return promote(self.asked, self.serves, better, self.program, self.watcher.note)
        except EngineError:
            self._close(better)
            raise

    def _close(self, better: Outcome) -> None:
        assert better.challenger is not None and better.world is not None
        self.ledger.close(better.world, better.challenger, better.why)

    async def _measured(self) -> Compared:
        """Measure with an engine of our own, beside production or in its place."""
        asked, note = self.asked, self.watcher.note
        bring_back(note)
        with (
            paused(asked.pause, note) if asked.pause else contextlib.nullcontext(),
            claimed(asked.out),
        ):
            _ensure_room_on_disk(asked.out)
            engine = create(asked.study, asked.out / "engine")
            async with contextlib.aclosing(engine):
                gate = study_gate(asked.study, engine, note)
                if gate is not None:
                    await gate.until_calm(self.ends_in())
                ensure_room(asked.study, engine)
                assert self.serves is not None
                tonight = await begin(asked, self.serves, engine, self.ledger, self.watcher)
                return await compare(replace(tonight, gate=gate, ends_in=self.ends_in))

    # the end
    def end(self, outcome: Outcome) -> Outcome:
        """Tell what came of the night, write it down, and return it with who was told."""
        self.ended = True
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
                self._report()
        return outcome

    def _report(self) -> None:
        """Write the report of a night that compared something."""
        if (self.asked.out / "result.json").is_file():
            write_at_the_end(self.asked.out, self.watcher.note)

    @contextlib.contextmanager
    def failing_aloud(self) -> Iterator[None]:
        """Write down and tell what keeps the night from its end, by day as well."""
        try:
            yield
        except Locked as busy:  # somebody puts something into service by hand
            self.end(Outcome("skipped", str(busy)))
            raise
        except TunerError as error:
            self.end(Outcome("failed", str(error)))
            raise

    def cut_off(self) -> None:
        """Write down that a signal ended the night; what was measured goes on another night."""
        if not self.ended:
            self.end(Outcome("skipped", "a signal ended the night; what was measured is kept"))

    def by_day(self, outcome: Outcome) -> Outcome:
        """Watch what was promoted; return what became of it."""
        if outcome.decision != "promoted" or self.serves is None:
            return outcome
        say = self.watcher.note
        back = watch_by_day(self.asked, self.serves, outcome, self.program, say)
        return outcome if back is None else self.end(back)


def _ensure_room_on_disk(out: Path) -> None:
    """Raise OutputError for a full disk: an engine that cannot write its log may just die."""
    probe = out / ".room"
    try:
        with writing(out):
            probe.write_bytes(bytes(LEAST_BYTES))
    finally:
        probe.unlink(missing_ok=True)
