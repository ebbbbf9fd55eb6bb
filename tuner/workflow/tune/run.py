"""The main job: search, look again, prove on fresh prompts, write what goes into service."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tuner.engines.base import Engine
from tuner.engines.registry import create
from tuner.evaluate.cold_start import Cold
from tuner.evaluate.result import Result
from tuner.report.documents import result_document
from tuner.report.terminal import as_text, show_result
from tuner.search import hints
from tuner.search.budget import BASELINE_REQUESTS, MAX_FINALISTS, SHORTLIST, Plan, plan
from tuner.search.finalists import WORTH_A_LOOK, WORTH_A_PROOF, promising
from tuner.search.propose import Proposer, Strategy
from tuner.search.trial import Trial
from tuner.spec.errors import EngineError, InputError
from tuner.spec.study import Study
from tuner.spec.values import Candidate
from tuner.store.run_folder import claimed, run_digest, same_run, write_json, writing
from tuner.store.trial_folder import KeptTrial, Spent, read_all
from tuner.workflow.measuring.candidates import all_knobs, baseline, taken
from tuner.workflow.measuring.environment import identity
from tuner.workflow.measuring.session import Session
from tuner.workflow.tune.baseline_drift import Recheck
from tuner.workflow.tune.cold_start import cold_starts
from tuner.workflow.tune.conclude import baseline_of, best_of, conclude, worth_to
from tuner.workflow.tune.continued import Further
from tuner.workflow.tune.finalists import Proof, prove, prove_baseline
from tuner.workflow.tune.gains import gains
from tuner.workflow.tune.production_warning import beside
from tuner.workflow.tune.proof import complete_baseline
from tuner.workflow.tune.screening import Screening, Watcher, restored, shortlist

MOST_SIBLINGS = 3
"""Candidates that share an engine start with one that needs a new one, where starts are dear."""

WRAP_UP_S = 3.0
"""Kept for stopping the engine and writing the result."""


def check(study: Study) -> None:
    """Raise InputError where a study cannot be tuned."""
    if not study.slos:
        raise InputError(
            f"{study.file or 'the study'}: no target; say --target-p99 MS or add slo to the study"
        )
    if not study.space:
        raise InputError(f"{study.file or 'the study'}: space: missing; name the knobs to search")
    if study.objective == "memory" and study.url is not None:
        raise InputError(
            "objective memory: a server that somebody else runs does not show what it takes; name "
            "another objective"
        )


def unguarded(study: Study) -> tuple[str, ...]:
    """Return a warning where nothing is asked of the answers."""
    if study.guard.asks:
        return ()
    return (
        "no guard: a candidate may win by cutting its answers or answering badly; add "
        "guard: {min_valid: 0.8}",
    )


async def run(
    study: Study,
    out: Path,
    watcher: Watcher,
    engine: Engine | None = None,
    strategy: Strategy | None = None,
    *,
    resume: bool = False,
) -> Result:
    """Tune a study into the folder `out`; `engine` and `strategy` replace the study's own.

    However it ends, the engine is stopped and every finished trial stays in `out`; `resume`
    goes on with those. Raises InputError, Locked while another run uses `out`, NotComparable
    where `out` holds a run of something else, OutputError where `out` cannot be written, and
    EngineError where the engine is missing or nothing could be measured.
    """
    check(study)
    with claimed(out, resume=resume):
        engine = engine or create(study, out / "engine")
        study, left_out = await taken(study, engine)
        for name, why in left_out.items():
            watcher.note(f"{name} is left out: {why}")
        check(study)
        for warning in (*unguarded(study), *await beside(engine)):
            watcher.note(warning)
        base = baseline(study, engine)
        about, kept = identity(study, engine, base), read_all(out)
        same_run(out, about, {k.name: k.run for k in kept})
        session = _session(study, engine, out, kept, run_digest(about))
        trials: Sequence[Trial] = restored(session, kept)
        proposer = _proposer(session, base, trials)
        recheck = Recheck.of(session, base, kept)
        job = _Job(session, strategy or proposer, base, watcher, plan(study), kept, recheck)
        try:
            trials, proof = await job.search_and_prove(trials)
            cold = await _cold(session, proof, watcher)
        finally:
            await session.aclose(watcher.note)
        words = job.further.words if job.further else ()
        result = conclude(session, base, trials, proof, job.plan, recheck.looks, cold, words)
        write_json(out / "result.json", result_document(result))
        with writing(out / "report.txt"):
            text = as_text(show_result(result))
            (out / "report.txt").write_text(text, encoding="utf-8", errors="backslashreplace")
        if strategy is None:
            with writing(out / "study.db"):
                proposer.save(out / "study.db")
    return result


async def _cold(session: Session, proof: Proof, watcher: Watcher) -> Cold | None:
    """Return what cold starts cost the best candidate; what fails here costs nothing else."""
    _, best = best_of(proof.measured, worth_to(session.study))
    try:
        return await cold_starts(session, best.candidate) if best else None
    except EngineError as error:
        watcher.note(f"cold starts were not measured: {error}")
        return None


def _session(
    study: Study, engine: Engine, out: Path, kept: Sequence[KeptTrial], about: str
) -> Session:
    """Return the session, which goes on counting where an earlier part of the run ended."""
    served = [k.measured.effective for k in kept if k.measured.effective]
    starts = 0 if study.one_start else max((e.engine_start for e in served), default=0)
    return Session(
        study,
        engine,
        out,
        study.budget_s - WRAP_UP_S,
        kept[-1].spent if kept else Spent(),
        starts,
        served[-1].version if served else None,
        {k.name: k.measured.machine for k in kept if k.measured.machine},
        about,
    )


def _proposer(session: Session, base: Candidate, trials: Sequence[Trial]) -> Proposer:
    study, knobs = session.study, all_knobs(session.engine)
    return Proposer(
        study.space, base, study.sampler, study.seed, partial(hints.values, study, knobs), trials,
        free=frozenset(name for name, knob in knobs.items() if knob.tier == "request"),
        siblings=lambda: round(min(session.pace().trials_per_restart, MOST_SIBLINGS)),
    )  # fmt: skip


def _planned(plan_: Plan) -> str:
    """Say what the plan comes to at the pace that showed."""
    pace = plan_.pace
    takes = f"a request takes {pace.request_s:.2f} s"
    trials = f"about {plan_.trials} trials in {plan_.search_s / 60:.1f} min"
    if plan_.rhythm.one_start:
        return f"{takes}: {trials}, about {plan_.requests} requests in all"
    return f"{takes}, a restart {pace.restart_s:.1f} s: {trials}"


@dataclass(slots=True)
class _Job:
    """One run on its way."""

    session: Session
    proposer: Strategy
    base: Candidate
    watcher: Watcher
    plan: Plan
    kept: Sequence[KeptTrial]
    recheck: Recheck
    further: Further | None = None

    async def search_and_prove(self, trials: Sequence[Trial]) -> tuple[Sequence[Trial], Proof]:
        """Search, look again and prove; with `stop_when_met` as soon as one looks promising."""
        trials = await self._controls(trials)
        proof = Proof.of(self.session, self.base, self.kept, self.plan.rhythm)
        self.further = further = Further.of(self.session, trials, proof, self.watcher)
        at_once = self.session.study.stop_when_met
        if at_once:
            trials = await self._until_met(trials, proof)
        if not proof.sides or (not at_once and further.may_search(self.session, self.plan, proof)):
            trials = await self._search(trials, further)
        if not proof.passed or proof.unfinished:
            await self._prove(trials, proof, MAX_FINALISTS)
            further.proved(proof)
        if proof.passed and not at_once and further.may_prove(trials):
            await further.prove_better(self.session, trials, self.base, proof)
        if all(side.candidate != self.base for side in proof.sides):
            most = 0 if at_once else BASELINE_REQUESTS
            await complete_baseline(self.session, proof.baseline, proof.rhythm, most)
            if proof.passed and not at_once:
                await self._keep_baseline(proof)
        return trials, proof

    async def _keep_baseline(self, proof: Proof) -> None:
        """Prove the baseline as well where the proven finalist is not better at anything."""
        study = self.session.study
        number, best = best_of(proof.measured, worth_to(study))
        baseline = baseline_of(self.session, proof)
        if not gains(study, best, baseline, proof.alpha(number)).any:
            await prove_baseline(self.session, proof, self.watcher)

    async def _controls(self, trials: Sequence[Trial]) -> Sequence[Trial]:
        """Measure what every study is compared with, and plan again at the pace that showed."""
        self.watcher.phase("search")
        screening = self._screening(trials)
        await screening.controls(self.base)
        self.plan = plan(self.session.study, self.session.pace())
        self.watcher.note(_planned(self.plan))
        return screening.trials

    def _screening(self, trials: Sequence[Trial]) -> Screening:
        return Screening(
            self.session, self.proposer, self.plan, self.watcher, list(trials), self.recheck
        )

    async def _until_met(self, trials: Sequence[Trial], proof: Proof) -> Sequence[Trial]:
        """Search until a trial looks as if it met everything, prove it, and so on until one is."""
        study = self.session.study

        def looks_met(trial: Trial) -> bool:
            fresh = trial.of is None and trial.number not in looked
            return fresh and promising(study, trial, WORTH_A_LOOK)

        while not proof.passed and proof.turn < MAX_FINALISTS:
            looked = {t.of for t in trials}
            trials = await self._screen(trials, looks_met)
            if not any(map(looks_met, trials)):
                break  # the time for searching is over
            trials = await self._look_again(trials, 1)
            again = [t for t in trials if t.of is not None and t.of not in looked]
            if not again:
                break  # no time for a second look: the same one would be found again for ever
            if any(promising(study, t, WORTH_A_PROOF) for t in again):
                await self._prove(trials, proof, 1)
        return trials

    async def _search(self, trials: Sequence[Trial], further: Further) -> Sequence[Trial]:
        """Screen while time is planned for it; what is new is looked at again as if it were all."""
        trials = await self._screen(trials, lambda trial: False)
        earlier = [] if further.fresh(trials) else trials
        count = SHORTLIST - sum(t.of is not None for t in earlier)
        trials = await self._look_again(trials, count)
        further.searched(self.session, trials)
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
        until_s = self.session.budget_s - self.plan.confirmation_s
        return await shortlist(
            self.session, self.proposer, trials, self.base, self.watcher, until_s, count
        )

    async def _prove(self, trials: Sequence[Trial], proof: Proof, at_most: int) -> None:
        self.watcher.phase("confirmation")
        await prove(self.session, trials, self.base, proof, self.watcher, at_most)
