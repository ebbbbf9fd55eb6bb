"""Search: screen candidates one after the other, then look longer at the best few."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from tuner.guard.classify import judge
from tuner.search import hints
from tuner.search.budget import SCREENING_REQUESTS, SHORTLIST, SHORTLIST_REQUESTS, Plan
from tuner.search.finalists import rank
from tuner.search.propose import Strategy
from tuner.search.trial import Origin, Trial, hopeless, shares, value, violations
from tuner.spec.conversation import PROMPT_KNOBS
from tuner.spec.study import Study
from tuner.spec.values import Candidate, Prompt, Sample, Setting
from tuner.spec.workload import Supply
from tuner.workflow.candidates import all_knobs, complete
from tuner.workflow.session import Measured, Session

BATCH = 4
"""Candidates asked at once, so that those that share an engine start can follow each other."""

CAP = 3.0
"""A trial is cut when it takes so many times its expected time."""


class Watcher(Protocol):
    """Is told how a run goes. `tuner.report.progress` shows it; a test may record it."""

    def phase(self, text: str) -> None:
        """Hear that a phase begins."""

    def trial(self, trial: Trial, planned: int, left_s: float) -> None:
        """Hear of a finished trial, of how many are planned, and of the time left."""

    def note(self, text: str) -> None:
        """Hear a line that is worth showing."""


async def screen(
    session: Session, proposer: Strategy, base: Candidate, plan: Plan, watcher: Watcher
) -> list[Trial]:
    """Measure the baseline, the engine's default, then what the proposer asks for."""
    supply = Supply(session.study.workload, held_out=False, seed=session.study.seed)
    run = _Screening(session, proposer, supply, plan, watcher, [])
    end = asyncio.get_running_loop().time() + plan.search_s
    await run.one(*proposer.fixed(base, "baseline"))
    default = engine_default(session, base)
    if default != dict(base):
        await run.one(*proposer.fixed(default, "default"))
    while asyncio.get_running_loop().time() < end:
        batch = proposer.batch(BATCH, run.trials)
        if not batch:
            watcher.note("every candidate of the space has been measured")
            break
        for number, candidate, origin in _grouped(batch, session, run.trials):
            if asyncio.get_running_loop().time() >= end:
                break
            await run.one(number, candidate, origin)
    return run.trials


def engine_default(session: Session, base: Candidate) -> dict[str, Setting]:
    """Return the engine's own defaults under the baseline's prompt: the second control."""
    prompt = {name: base[name] for name in PROMPT_KNOBS}
    return complete(prompt, all_knobs(session.engine))


class _Screening:
    """The state of one screening phase."""

    def __init__(
        self,
        session: Session,
        proposer: Strategy,
        supply: Supply,
        plan: Plan,
        watcher: Watcher,
        trials: list[Trial],
    ) -> None:
        self.session, self.proposer, self.supply = session, proposer, supply
        self.plan, self.watcher, self.trials = plan, watcher, trials

    async def one(self, number: int, candidate: Candidate, origin: Origin) -> None:
        """Measure one candidate and tell the proposer."""
        prompts = self.supply.prompts(number)
        measured = await self.session.measure(
            candidate, prompts, f"{number:04d}", n=SCREENING_REQUESTS,
            stop=_cut(self.session.study, CAP * self.plan.trial_s),
        )  # fmt: skip
        trial = judged(self.session, number, candidate, origin, measured, self._baseline_correct())
        self.proposer.tell(trial)
        self.trials.append(trial)
        left = self.session.left_s()
        self.watcher.trial(trial, self.plan.trials, left)

    def _baseline_correct(self) -> float | None:
        baseline = next((t for t in self.trials if t.origin == "baseline"), None)
        return shares(baseline.samples)[1] if baseline and baseline.samples else None


def judged(
    session: Session,
    number: int,
    candidate: Candidate,
    origin: Origin,
    measured: Measured,
    baseline_correct: float | None,
) -> Trial:
    """Return the trial of a measured candidate: pruned where it was not measured in full."""
    samples, study = measured.kept, session.study
    if measured.failed:
        return Trial(number, candidate, origin, "pruned", measured.failed.splitlines()[0], samples)
    trial = Trial(
        number, candidate, origin, "complete", None, samples,
        violations(study, samples, baseline_correct), value(study, samples),
        measured.memory_bytes,
    )  # fmt: skip
    if len(samples) < SCREENING_REQUESTS:
        reason = f"hopeless after {len(samples)} of {SCREENING_REQUESTS} requests"
        return replace(trial, state="pruned", reason=f"{reason}: {_broken(trial)}")
    return trial


async def shortlist(
    session: Session,
    proposer: Strategy,
    trials: Sequence[Trial],
    base: Candidate,
    watcher: Watcher,
    end: float,
) -> list[Trial]:
    """Return the trials with the most promising ones measured on more prompts.

    Each gets the output limit that keeps the target first, where that is cheap: it is then a
    trial of its own, which the old samples also speak for, cut as the limit would have cut them.
    """
    study, known = session.study, shares(trials[0].samples)[1]
    supply = Supply(study.workload, held_out=False, seed=study.seed)
    updated = {t.number: t for t in trials}
    for trial in rank(study, trials, base)[:SHORTLIST]:
        if asyncio.get_running_loop().time() >= end:
            break
        tight = hints.tightened(study, trial, study.space)
        number = trial.number
        if tight != trial.candidate:
            number = proposer.fixed(tight, "tightened")[0]
        more = itertools.islice(supply.prompts(10_000 + number), SCREENING_REQUESTS, None)
        measured = await session.measure(
            tight, more, f"{number:04d}-more", n=SHORTLIST_REQUESTS, stop=_until(end)
        )
        again = _longer(study, trial, number, tight, measured, known)
        if again.number != trial.number:
            proposer.tell(again)
        updated[again.number] = again
        watcher.trial(again, len(trials), session.left_s())
    return list(updated.values())


def _longer(
    study: Study, trial: Trial, number: int, tight: Candidate, measured: Measured, known: float
) -> Trial:
    origin: Origin = trial.origin if number == trial.number else "tightened"
    before = hints.projected(trial, tight)
    trial = replace(trial, number=number, candidate=tight, origin=origin, samples=before)
    if measured.failed:
        return replace(trial, state="pruned", reason=measured.failed.splitlines()[0])
    both = (*trial.samples, *measured.kept)
    return replace(
        trial,
        samples=both,
        violations=violations(study, both, known),
        value=value(study, both),
        memory_bytes=measured.memory_bytes,
    )


def _grouped(
    batch: Sequence[tuple[int, Candidate, Origin]], session: Session, trials: Sequence[Trial]
) -> list[tuple[int, Candidate, Origin]]:
    """Return a batch with candidates of like restart and reload settings side by side.

    Those that the engine already serves come first.
    """
    dear = [k.name for k in session.engine.knobs.values() if k.tier != "request"]

    def settings(candidate: Candidate) -> tuple[str, ...]:
        return tuple(str(candidate[name]) for name in dear)

    now = settings(trials[-1].candidate) if trials else ()
    return sorted(batch, key=lambda p: (settings(p[1]) != now, settings(p[1])))


def _cut(study: Study, seconds: float) -> Callable[[Sample], bool]:
    """Return a stop rule: beyond rescue, or so slow that the time is better spent elsewhere."""
    classify, nothing_expected = judge(study.workload.schema), Prompt("", "", "", ())
    end = asyncio.get_running_loop().time() + seconds
    seen: list[Sample] = []

    def stop(sample: Sample) -> bool:
        seen.append(replace(sample, guard=classify(nothing_expected, sample)))
        slow = asyncio.get_running_loop().time() > end
        return slow or hopeless(study, seen, SCREENING_REQUESTS)

    return stop


def _broken(trial: Trial) -> str:
    return ", ".join(f"{name} missed" for name, v in trial.violations.items() if v > 0)


def _until(end: float) -> Callable[[Sample], bool]:
    return lambda sample: asyncio.get_running_loop().time() >= end
