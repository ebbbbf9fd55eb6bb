"""Search: screen candidates one after the other, then look longer at the best few."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, cast

from tuner.evaluate import failures
from tuner.guard.classify import judge
from tuner.search import hints
from tuner.search.budget import Plan
from tuner.search.finalists import rank
from tuner.search.propose import Strategy
from tuner.search.trial import (
    Origin,
    Trial,
    baseline_correct,
    hopeless,
    outraced,
    value,
    violations,
)
from tuner.spec.conversation import PROMPT_KNOBS
from tuner.spec.errors import EngineDied
from tuner.spec.study import Study
from tuner.spec.values import Candidate, Prompt, Sample, Setting
from tuner.spec.workload import Supply
from tuner.store.trial_folder import KeptTrial, Measured, Place
from tuner.workflow.measuring.candidates import all_knobs, complete
from tuner.workflow.measuring.session import Session
from tuner.workflow.tune.baseline_drift import Recheck

BATCH = 4
"""Candidates asked at once, so that those that share an engine start can follow each other."""

CONTROLS = ("baseline", "default")
"""Origins of the trials that every study has; they are not cut for being beaten."""

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


def engine_default(session: Session, base: Candidate) -> dict[str, Setting]:
    """Return the defaults of engine and model under the baseline's prompt: the second control."""
    prompt = {name: base[name] for name in PROMPT_KNOBS}
    return complete(prompt, all_knobs(session.engine))


@dataclass(slots=True)
class Screening:
    """Screens candidates with the first prompts of the search's part of the workload."""

    session: Session
    proposer: Strategy
    plan: Plan
    watcher: Watcher
    trials: list[Trial]
    recheck: Recheck | None = None

    async def search(self, enough: Callable[[Trial], bool] = lambda trial: False) -> None:
        """Measure what the proposer asks for.

        Ends when the time planned for searching is used up, when a trial is `enough`, or
        when the space has nothing new. Raises EngineDied when nothing could be measured.
        """
        while not self._over() and not any(map(enough, self.trials)):
            batch = self.proposer.batch(BATCH, self.trials)
            if not batch:
                self.watcher.note("the space has no candidate left that was not tried")
                break
            for proposal in _grouped(batch, self.session, self.trials):
                await self.one(*proposal)
                if self._over() or enough(self.trials[-1]):
                    break
            self._ensure_measurable()
            if self.recheck:
                await self.recheck.when_due()

    def _ensure_measurable(self) -> None:
        """Raise EngineDied where controls and a whole batch brought not one sample."""
        if not any(t.samples for t in self.trials):
            raise EngineDied(
                f"no candidate could be measured; the first failed so: {self.trials[0].reason}"
            )

    def _over(self) -> bool:
        return self.session.elapsed_s() >= self.plan.search_s

    async def controls(self, base: Candidate) -> None:
        """Measure what every study is compared with, where that was not done before."""
        there = {t.origin for t in self.trials if not failures.refused(t.samples)}
        default = engine_default(self.session, base)
        if "baseline" not in there:
            await self.one(*self.proposer.fixed(base, "baseline"))
            self._ensure_served(self.trials[-1])
        if "default" not in there and default != dict(base):
            await self.one(*self.proposer.fixed(default, "default"))

    def _ensure_served(self, control: Trial) -> None:
        """Raise EngineDied where all requests of the baseline failed: others would fail alike."""
        if control.reason and failures.refused(control.samples):
            raise EngineDied(failures.with_next_step(control.reason, self.session.study))

    async def one(self, number: int, candidate: Candidate, origin: Origin) -> None:
        """Measure one candidate and tell the proposer."""
        asked: dict[str, Prompt] = {}
        study = self.session.study
        supply = Supply(study.workload, held_out=False, seed=study.seed)
        prompts = _noted(supply.prompts(number), asked)
        n = self.plan.pace.look
        measured = await self.session.measure(
            candidate, prompts, f"{number:04d}", Place("search", number, origin, planned=n),
            n=n, stop=self._stop(asked, origin, n),
        )  # fmt: skip
        known = baseline_correct(self.trials)
        trial = judged(study, number, candidate, origin, n, measured, known)
        self.proposer.tell(trial)
        self.trials.append(trial)
        self.watcher.trial(trial, self.plan.trials, self.session.left_s())

    def _stop(
        self, asked: Mapping[str, Prompt], origin: Origin, planned: int
    ) -> Callable[[Sample], bool]:
        """Return the stop rule of a trial; the baseline's ends with the time for searching alone.

        All others are held against the baseline's answers, so that its first few will not do.
        """
        if origin == "baseline":
            return lambda sample: self._over()
        return self._cut(asked, planned, racing=origin not in CONTROLS)

    def _cut(
        self, asked: Mapping[str, Prompt], planned: int, *, racing: bool
    ) -> Callable[[Sample], bool]:
        """Return a stop rule: beyond rescue, beaten, or so slow that its time is better spent."""
        study = self.session.study
        classify = judge(study.workload.schema)
        incumbent = min((t for t in self.trials if t.feasible), key=Trial.rank, default=None)
        most_s = CAP * self.plan.pace.trial_s
        seen: list[Sample] = []

        def stop(sample: Sample) -> bool:
            seen.append(replace(sample, guard=classify(asked[sample.prompt_id], sample)))
            slow = (sample.sent_ns - seen[0].sent_ns) / 1e9 > most_s
            if slow or hopeless(study, seen, planned):
                return True
            return racing and outraced(study, seen, planned, incumbent)

        return stop


def _noted(prompts: Iterator[Prompt], asked: dict[str, Prompt]) -> Iterator[Prompt]:
    for prompt in prompts:
        asked[prompt.id] = prompt
        yield prompt


def judged(
    study: Study,
    number: int,
    candidate: Candidate,
    origin: Origin,
    planned: int,
    measured: Measured,
    baseline_correct: float | None,
) -> Trial:
    """Return the trial of a measured candidate: pruned where it was not measured in full."""
    samples = measured.kept
    trial = Trial(number, candidate, origin, "pruned", samples=samples, planned=planned)
    if measured.failed:
        broken = violations(study, samples, baseline_correct) if failures.refused(samples) else {}
        return replace(trial, reason=measured.failed.splitlines()[0], violations=broken)
    trial = replace(
        trial,
        violations=violations(study, samples, baseline_correct),
        value=value(study, samples, measured.memory_bytes),
        memory_bytes=measured.memory_bytes,
    )
    if len(samples) < planned:
        return replace(
            trial, reason=f"after {len(samples)} of {planned} requests: {_broken(trial)}"
        )
    return replace(trial, state="complete")


def restored(session: Session, kept: Sequence[KeptTrial]) -> list[Trial]:
    """Return the trials of a run's search and shortlist as its folders tell them."""
    study = session.study
    trials: dict[int, Trial] = {}
    for k in kept:
        number, origin = k.place.number, k.place.origin
        if k.place.phase == "search" and number is not None:
            known = baseline_correct(list(trials.values()))
            trials[number] = judged(
                study, number, k.candidate, cast(Origin, origin), k.place.planned, k.measured, known
            )
        elif k.place.phase == "shortlist" and number is not None and k.place.of is not None:
            trials[number] = _restored_look(session, trials, k, number)
    return list(trials.values())


def _restored_look(
    session: Session, trials: Mapping[int, Trial], k: KeptTrial, number: int
) -> Trial:
    """Return a trial after its second look; by that alone where the first was moved away."""
    known = baseline_correct(list(trials.values()))
    first = trials.get(k.place.of if k.place.of is not None else number)
    if first is not None:
        return _longer(session, first, number, k.candidate, k.measured, known)
    origin, planned = cast(Origin, k.place.origin), k.place.planned
    alone = judged(session.study, number, k.candidate, origin, planned, k.measured, known)
    return replace(alone, of=k.place.of)


async def shortlist(
    session: Session,
    proposer: Strategy,
    trials: Sequence[Trial],
    base: Candidate,
    watcher: Watcher,
    until_s: float,
    count: int,
) -> list[Trial]:
    """Return the trials with the most promising ones measured on more prompts.

    Up to `count` that were not looked at before get their turn while less than `until_s` of
    the run has passed. Each gets the output limit that keeps the target first, where that is
    cheap: it is then a trial of its own, which the old samples also speak for, cut as the
    limit would have cut them.
    """
    updated = {t.number: t for t in trials}
    looked = {t.of for t in trials} | {t.number for t in trials if t.of is not None}
    fresh = [t for t in trials if t.number not in looked]
    for trial in rank(session.study, fresh, base)[: max(count, 0)]:
        if session.elapsed_s() >= until_s:
            break
        again = await _look_again(session, proposer, trial, baseline_correct(trials), until_s)
        updated[again.number] = again
        watcher.trial(again, len(trials), session.left_s())
    return list(updated.values())


async def _look_again(
    session: Session, proposer: Strategy, trial: Trial, known: float | None, until_s: float
) -> Trial:
    study = session.study
    tight = hints.tightened(study, trial, study.space, session.engine.knobs)
    number = trial.number
    if tight != trial.candidate:
        number = proposer.fixed(tight, "tightened")[0]
    supply = Supply(study.workload, held_out=False, seed=study.seed)
    more = itertools.islice(supply.prompts(10_000 + number), trial.planned, None)
    measured = await session.measure(
        tight, more, f"{number:04d}-more", Place("shortlist", number, trial.origin, trial.number),
        n=session.pace().second_look, stop=lambda sample: session.elapsed_s() >= until_s,
    )  # fmt: skip
    again = _longer(session, trial, number, tight, measured, known)
    if number != trial.number:
        proposer.tell(again)
    return again


def _longer(
    session: Session,
    trial: Trial,
    number: int,
    tight: Candidate,
    measured: Measured,
    known: float | None,
) -> Trial:
    study = session.study
    origin: Origin = trial.origin if number == trial.number else "tightened"
    before = hints.projected(trial, tight, session.engine.knobs)
    trial = replace(
        trial, number=number, candidate=tight, origin=origin, samples=before, of=trial.number
    )
    if measured.failed:
        return replace(trial, state="pruned", reason=measured.failed.splitlines()[0])
    both = (*trial.samples, *measured.kept)
    return replace(
        trial,
        samples=both,
        violations=violations(study, both, known),
        value=value(study, both, measured.memory_bytes),
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


def _broken(trial: Trial) -> str:
    missed = [f"{name} missed" for name, v in trial.violations.items() if v > 0]
    why = failures.listed(failures.reasons(trial.samples))
    return (", ".join(missed) or "beaten by the best so far") + (f"; failed: {why}" if why else "")
