"""The main job: search, look again, prove on fresh prompts, write what goes into service."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tuner.engines.base import Engine, Limited
from tuner.engines.registry import create
from tuner.evaluate.cold_start import ColdStarts
from tuner.report.documents import result_document
from tuner.report.result import REPORT, as_text, show_result
from tuner.search.budget import BASELINE_REQUESTS, SHORTLIST, Plan, plan
from tuner.search.choose_finalists import WORTH_A_LOOK, WORTH_A_PROOF, promising
from tuner.search.error import MAX_FINALISTS
from tuner.search.propose import Strategy
from tuner.search.result import Result
from tuner.search.trial import Trial
from tuner.spec.errors import EngineError
from tuner.spec.study import Study
from tuner.spec.values import Candidate
from tuner.store.run_folder import claimed, same_run, write_json, writing
from tuner.store.trial_folder import StoredTrial, read_all
from tuner.workflow.beside.gate import Gate
from tuner.workflow.beside.load import study_gate
from tuner.workflow.beside.room import ensure_room
from tuner.workflow.measuring.candidates import baseline
from tuner.workflow.measuring.environment import identity
from tuner.workflow.measuring.run_time import unbounded
from tuner.workflow.measuring.session import Session
from tuner.workflow.reporting.report import write_at_the_end
from tuner.workflow.tune.begin import begin
from tuner.workflow.tune.conclude import Finished, best_of, conclude, worth_to
from tuner.workflow.tune.larger_budget import Continuation
from tuner.workflow.tune.preparation import as_served, check
from tuner.workflow.tune.proving.claimed_gains import gains
from tuner.workflow.tune.proving.cold_start import cold_starts
from tuner.workflow.tune.proving.proof import complete_baseline
from tuner.workflow.tune.proving.prove_finalists import Finalists
from tuner.workflow.tune.searching.baseline_drift import BaselineRechecks
from tuner.workflow.tune.searching.lesson import NONE, Earlier, Lesson
from tuner.workflow.tune.searching.proposer import proposer
from tuner.workflow.tune.searching.queue import Queue
from tuner.workflow.tune.searching.screening import Screening, Watcher
from tuner.workflow.tune.searching.shortlist import second_looks
from tuner.workflow.tune.searching.trials import restored


async def run(
    study: Study,
    out: Path,
    watcher: Watcher,
    engine: Engine | None = None,
    strategy: Strategy | None = None,
    *,
    resume: bool = False,
    gate: Gate | None = None,
    ends_in: Callable[[], float] = unbounded,
    earlier: Earlier = NONE,
) -> Result:
    """Tune a study into the folder `out`; `engine` and `strategy` replace the study's own.

    However the run ends, the engine is stopped and every finished trial stays in `out`. With
    `resume` it goes on with those. Raises InputError; Locked while another run uses `out`;
    NotComparable where `out` holds a run of something else; OutputError where `out` cannot be
    written; EngineError where the engine is missing or nothing could be measured; and Busy where
    production is busy for too long, or leaves no room. `gate` replaces the study's own; `ends_in`
    tells in how many seconds the run has to end, whatever is left of the budget; `earlier` are the
    rounds whose trials teach the search.
    """
    check(study)
    with claimed(out, resume=resume):
        engine = engine or create(study, out / "engine")
        async with contextlib.aclosing(engine):
            gate = gate or study_gate(study, engine, watcher.note)
            if gate is not None:
                await gate.until_calm(ends_in())
            ensure_room(study, engine)
            return await _run(study, out, watcher, engine, strategy, gate, ends_in, earlier)


async def _run(
    study: Study,
    out: Path,
    watcher: Watcher,
    engine: Engine,
    strategy: Strategy | None,
    gate: Gate | None,
    ends_in: Callable[[], float],
    earlier: Earlier,
) -> Result:
    """Tune a study with an engine into a folder that is ours; see `run`."""
    study, inert = await as_served(study, engine, watcher)
    base = baseline(study, engine)
    about, stored = identity(study, engine, base), read_all(out)
    run_id = same_run(out, about, {t.name: t.run for t in stored})
    session = begin(study, engine, out, stored, run_id, gate, ends_in)
    trials: Sequence[Trial] = restored(study, engine.knobs, stored)
    own, lesson = proposer(session, base, trials), Lesson.of(study, engine.knobs, base, earlier)
    lesson.teach(own)
    queue = Queue(session, strategy or own)
    job = _Job(session, queue, base, watcher, plan(study), stored, inert, lesson)
    try:
        finished = await job.search_and_prove(trials)
    finally:
        await session.aclose(watcher.note)
    result = conclude(finished)
    write(result)
    if strategy is None:
        with writing(out / "study.db"):
            own.save(out / "study.db")
    write_at_the_end(out, watcher.note)
    return result


def write(result: Result) -> None:
    """Write result.json and report.txt."""
    write_json(result.out / "result.json", result_document(result))
    report = result.out / REPORT
    with writing(report):
        text = as_text(show_result(result, verbose=True))
        report.write_text(text, encoding="utf-8", errors="backslashreplace")


def _planned(plan_: Plan) -> str:
    """Say what the plan comes to at the measured pace."""
    pace = plan_.pace
    takes = f"a request takes {pace.request_s:.2f} s"
    trials = f"about {plan_.trials} trials in {plan_.screening_s / 60:.1f} min"
    if plan_.rhythm.one_start:
        return f"{takes}: {trials}, about {plan_.requests} requests in all"
    starts = f"about {plan_.restarts} engine starts in {plan_.restarting_s / 60:.1f} min"
    return f"{takes}, a restart {pace.restart_s:.1f} s: {trials}; in all {starts}"


@dataclass(slots=True)
class _Job:
    """A run on its way: what its steps share."""

    session: Session
    queue: Queue
    base: Candidate
    watcher: Watcher
    plan: Plan
    stored: Sequence[StoredTrial]
    inert: dict[str, str]
    lesson: Lesson
    rechecks: BaselineRechecks = field(init=False)

    def __post_init__(self) -> None:
        self.rechecks = BaselineRechecks.of(self.session, self.base, self.stored)

    async def search_and_prove(self, trials: Sequence[Trial]) -> Finished:
        """Search, take second looks, prove, and measure what else the result needs."""
        trials = await self._controls(trials)
        finalists = Finalists.of(
            self.session, self.watcher, self.plan.rhythm, self.base, self.stored, self.lesson.failed
        )
        continuation = Continuation.of(finalists, trials)
        if self.session.study.stop_when_met:
            trials = await self._search_until_met(trials, continuation)
        else:
            trials = await self._search_to_the_end(trials, continuation)
        await self._complete_baseline(finalists)
        cold = await self._cold_starts(finalists)
        rechecks, words = self.rechecks.blocks, continuation.words
        return Finished(finalists, trials, self.plan, rechecks, cold, words, self.inert)

    async def _search_until_met(
        self, trials: Sequence[Trial], continuation: Continuation
    ) -> Sequence[Trial]:
        """Search and prove until one is proven; search on where nothing looked promising."""
        finalists = continuation.finalists
        trials = await self._until_met(trials, finalists)
        if not finalists.sides:
            trials = await self._search(trials, continuation)
        await self._prove_open(trials, continuation)
        return trials

    async def _search_to_the_end(
        self, trials: Sequence[Trial], continuation: Continuation
    ) -> Sequence[Trial]:
        """Search while time is planned for it, prove one, and then what promises more."""
        if continuation.may_search(self.plan):
            trials = await self._search(trials, continuation)
        await self._prove_open(trials, continuation)
        if continuation.finalists.passed and continuation.may_prove(trials):
            await continuation.prove_better(trials)
        return trials

    async def _prove_open(self, trials: Sequence[Trial], continuation: Continuation) -> None:
        """Prove where nothing is proven yet, or an earlier part of the run left a proof open."""
        finalists = continuation.finalists
        if not finalists.passed or finalists.unfinished:
            await self._prove(trials, finalists, MAX_FINALISTS)
            continuation.say_proved()

    async def _complete_baseline(self, finalists: Finalists) -> None:
        """Give the baseline its blocks, and a proof of its own where nothing is better."""
        if any(side.candidate == self.base for side in finalists.sides):
            return
        at_once = self.session.study.stop_when_met
        most = 0 if at_once else BASELINE_REQUESTS
        await complete_baseline(self.session, finalists.baseline, finalists.rhythm, most)
        if finalists.passed and not at_once:
            await self._keep_baseline(finalists)

    async def _keep_baseline(self, finalists: Finalists) -> None:
        """Prove the baseline as well where the proven finalist is not better at anything."""
        study = self.session.study
        place, best = best_of(finalists.measured, worth_to(study))
        baseline = finalists.baseline_measurement()
        if not gains(study, best, baseline, finalists.alpha(place)).any:
            await finalists.prove_baseline()

    async def _cold_starts(self, finalists: Finalists) -> ColdStarts | None:
        """Return what cold starts cost the best candidate; a failure spoils nothing else."""
        _, best = best_of(finalists.measured, worth_to(self.session.study))
        try:
            return await cold_starts(self.session, best.candidate) if best else None
        except EngineError as error:
            self.watcher.note(f"cold starts were not measured: {error}")
            return None

    async def _controls(self, trials: Sequence[Trial]) -> Sequence[Trial]:
        """Measure the controls, and plan again at the pace that they show."""
        self.watcher.phase("search")
        screening = self._screening(trials)
        await screening.controls(self.base)
        await screening.first(self.lesson.first)
        self.plan = plan(self.session.study, self.session.pace())
        self.watcher.note(_planned(self.plan))
        self._say_limits()
        return screening.trials

    def _say_limits(self) -> None:
        """Tell the limits that are in force, where some were asked for."""
        engine = self.session.engine
        if self.session.study.limits is not None and isinstance(engine, Limited):
            self.watcher.note(f"limits of the engine: {engine.limits or 'none in force'}")

    def _screening(self, trials: Sequence[Trial]) -> Screening:
        return Screening(
            self.session, self.queue, self.plan, self.watcher, list(trials), self.rechecks,
            self.inert,
        )  # fmt: skip

    async def _until_met(self, trials: Sequence[Trial], finalists: Finalists) -> Sequence[Trial]:
        """Search until a trial seems to meet everything, prove it; repeat until one is proven."""
        study = self.session.study

        def looks_met(trial: Trial) -> bool:
            fresh = trial.of is None and trial.number not in looked
            open_ = fresh and promising(study, trial, WORTH_A_LOOK)
            return open_ and bool(finalists.untried([trial]))

        while not finalists.passed and finalists.next_index < MAX_FINALISTS:
            looked = {t.of for t in trials}
            trials = await self._screen(trials, looks_met)
            if not any(map(looks_met, trials)):
                break  # the time for searching is over
            trials = await self._look_again(trials, 1)
            again = [t for t in trials if t.of is not None and t.of not in looked]
            if not again:
                break  # no time for a second look: the same one would be found again for ever
            if any(promising(study, t, WORTH_A_PROOF) for t in again):
                await self._prove(trials, finalists, 1)
        return trials

    async def _search(self, trials: Sequence[Trial], continuation: Continuation) -> Sequence[Trial]:
        """Screen while time is planned for it, and give the best few a second look.

        Where an earlier part of the run had second looks, new trials get as many of their own.
        """
        trials = await self._screen(trials, lambda trial: False)
        earlier = [] if continuation.new_trials(trials) else trials
        count = SHORTLIST - sum(t.of is not None for t in earlier)
        trials = await self._look_again(trials, count)
        continuation.say_searched(trials)
        return trials

    async def _screen(
        self, trials: Sequence[Trial], enough: Callable[[Trial], bool]
    ) -> Sequence[Trial]:
        self.watcher.phase("search")
        screening = self._screening(trials)
        await screening.search(enough)
        return screening.trials

    async def _look_again(self, trials: Sequence[Trial], count: int) -> Sequence[Trial]:
        self.watcher.phase("shortlist")
        return await second_looks(self._screening(trials), self.base, count)

    async def _prove(self, trials: Sequence[Trial], finalists: Finalists, at_most: int) -> None:
        self.watcher.phase("confirmation")
        await finalists.prove_in_turn(trials, at_most)
