"""Prove finalists one after the other, until one is proven or time is up."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from tuner.evaluate.failures import refused
from tuner.evaluate.lateness import Terms
from tuner.evaluate.measurement import Measurement
from tuner.guard.verdict import is_correct
from tuner.search.budget import Rhythm
from tuner.search.choose_finalists import answers_alike, better, choose_finalists, worth
from tuner.search.error import MAX_FINALISTS, baseline_error, finalist_error
from tuner.search.trial import Trial, value
from tuner.spec.study import Study
from tuner.spec.values import Candidate, changes
from tuner.stats.paired import pairs_needed
from tuner.store.trial_folder import StoredTrial
from tuner.workflow.measuring.candidates import all_knobs
from tuner.workflow.measuring.session import Session
from tuner.workflow.tune.proving.proof import (
    Proof,
    Side,
    fastest_proof_s,
    has_time,
    held_out,
    terms_of,
)
from tuner.workflow.tune.proving.turns import (
    drop_alone_is_open,
    floor_failed,
    floor_stays_open,
)
from tuner.workflow.tune.searching.screening import Watcher

LEAST_SHARE = 0.05
"""With less than this share of the budget left no further finalist is begun."""


@dataclass(slots=True)
class Finalists:
    """The finalists of a run: the baseline's side, each finalist's, and what was measured of them.

    `measured` has a measurement for each of `sides` whose proof has come to its end; of those in
    `poor` a floor failed, or stayed open to the last template.
    `of_baseline` is the baseline's own proof, None where it was not tried. What `failed` in an
    earlier round is not proven again.
    """

    session: Session
    watcher: Watcher
    rhythm: Rhythm
    baseline: Side
    sides: list[Side] = field(default_factory=list)
    measured: list[Measurement] = field(default_factory=list)
    poor: list[Candidate] = field(default_factory=list)
    of_baseline: Measurement | None = None
    failed: Collection[Candidate] = ()

    @classmethod
    def of(
        cls,
        session: Session,
        watcher: Watcher,
        rhythm: Rhythm,
        base: Candidate,
        stored: Sequence[StoredTrial],
        failed: Collection[Candidate] = (),
    ) -> Finalists:
        """Return the finalists of a run, with the blocks of an earlier part of it.

        The last one is measured again, which ends at once if it was decided.
        """
        blocks = [t for t in stored if t.place.phase == "confirmation"]
        by_side = {t.place.side: t for t in blocks if t.place.side != "baseline"}
        found = cls(session, watcher, rhythm, _side(session, base, "baseline", None), failed=failed)
        found.baseline.add_stored(blocks)
        for name, block in by_side.items():
            side = _side(session, block.candidate, str(name), block.place.number)
            side.add_stored(blocks)
            found.sides.append(side)
        found.sides.sort(key=lambda side: side.index)
        for side in found.sides[:-1]:
            found._keep(found._evaluated(side))
        return found

    @property
    def next_index(self) -> int:
        """Return the index of the next finalist; each index has its own error."""
        return max((side.index + 1 for side in self.sides), default=0)

    def alpha(self, place: int) -> float:
        """Return the error that the finalist at this place in `measured` may spend."""
        index = self.sides[place].index if self.sides else 0
        return finalist_error(self.session.study, index)

    @property
    def requests(self) -> int:
        """Return how many requests all finalists have had."""
        return sum(len(side.samples) for side in self.sides)

    @property
    def unfinished(self) -> bool:
        """Tell whether an earlier part of the run left a finalist without a measurement."""
        return len(self.sides) > len(self.measured)

    @property
    def passed(self) -> bool:
        """Tell whether a finalist is proven."""
        return any(m.verdict == "PASS" for m in self.measured)

    @property
    def _out_of_time(self) -> bool:
        """Tell whether a further finalist is not worth its start; the first one always is."""
        session = self.session
        if not self.sides:
            return False
        late = session.left_s() < LEAST_SHARE * session.study.budget_s
        return late or not has_time(session, self.sides[-1])

    @property
    def _baseline_is_missing(self) -> bool:
        """Tell whether the last finalist lacked nothing but answers of a baseline that is dead."""
        return self.baseline.given_up and any(map(drop_alone_is_open, self.measured[-1:]))

    async def prove_in_turn(self, trials: Sequence[Trial], at_most: int) -> None:
        """Prove up to `at_most` finalists, best first, until one is proven or time is up."""
        session, base = self.session, self.baseline.candidate
        if self.unfinished:
            await self._take_up(self.sides[-1], trials)
            at_most -= 1
        room = min(at_most, MAX_FINALISTS - self.next_index)
        for trial in choose_finalists(session.study, self.untried(trials), base, room):
            if self.passed or self._out_of_time or self._baseline_is_missing:
                break
            if self.untried([trial]):  # one that has failed since may answer like it
                await self.prove(trial, trials)

    def better_second(self, trials: Sequence[Trial]) -> Trial | None:
        """Return the trial that promises more than what is proven, None where there is none.

        The worth of what is proven comes from the requests of its proof.
        """
        study, base = self.session.study, self.baseline.candidate
        proven = (m for m in self.measured if m.verdict == "PASS")
        best = max(
            (worth(study, m.samples, value(study, m.samples, m.memory_bytes)) for m in proven),
            default=math.inf,
        )
        left = [t for t in self.untried(trials) if t.candidate != base]
        return better(study, left, best)

    async def prove(self, trial: Trial, trials: Sequence[Trial]) -> None:
        """Prove one more finalist."""
        number = self.next_index + 1
        changed = _changed_text(trial.candidate, self.baseline.candidate)
        self.watcher.note(f"finalist {number}: {changed}")
        side = _side(self.session, trial.candidate, f"finalist-{number}", trial.number)
        self.sides.append(side)
        await self._measure(side, trial, trials)

    async def prove_baseline(self) -> None:
        """Prove the baseline itself in the time that is left; then the advice can be to keep it."""
        study, side = self.session.study, self.baseline
        terms = replace(terms_of(study, 0, self.rhythm), alpha=baseline_error(study))
        now = side.evaluated(study, side, terms)
        if side.failed or "FAIL" in (now.latency_verdict, now.guard.verdict):
            return
        self.watcher.note(
            "no finalist is better than the baseline beyond noise: proving the baseline"
        )
        proof = Proof(self.session, side, side, terms, self.rhythm, next_needs_s=0.0)
        self.of_baseline = await proof.measure(self.watcher.note)

    def baseline_measurement(self) -> Measurement | None:
        """Return the baseline's measurement: its own blocks, or a finalist that is the baseline."""
        if self.of_baseline:
            return self.of_baseline
        if self.baseline.samples:
            return self.baseline.evaluated(self.session.study, self.baseline, Terms())
        same = (m for m in self.measured if m.candidate == self.baseline.candidate)
        return next(same, None)

    def _evaluated(self, side: Side) -> Measurement:
        study = self.session.study
        terms = terms_of(study, side.index, self.rhythm)
        return side.evaluated(study, self.baseline, terms)

    def untried(self, trials: Sequence[Trial]) -> list[Trial]:
        """Return the trials that could still be proven.

        None that is expected to answer like a finalist whose answers missed a floor.
        """
        tried = {side.trial_number for side in self.sides}
        knobs = all_knobs(self.session.engine)
        return [
            t
            for t in trials
            if t.number not in tried
            and t.candidate not in self.failed
            and not any(answers_alike(knobs, t.candidate, other) for other in self.poor)
        ]

    def _keep(self, found: Measurement) -> None:
        """Keep the measurement of a finalist whose proof has come to its end."""
        self.measured.append(found)
        templates = self.session.study.workload.proof_templates
        if floor_failed(found) or floor_stays_open(found, templates):
            self.poor.append(found.candidate)

    async def _take_up(self, side: Side, trials: Sequence[Trial]) -> None:
        """Go on with a finalist of an earlier part of the run."""
        same = (t for t in trials if t.number == (side.trial_number or 0))
        await self._measure(side, next(same, _moved_away(side)), trials)

    async def _measure(self, side: Side, trial: Trial, trials: Sequence[Trial]) -> None:
        """Measure a finalist until its proof ends, and keep its measurement."""
        side.screened = trial.samples
        study, pairs = self.session.study, self.rhythm.baseline_requests
        self.watcher.note(_pairs_text(study, trial, trials[0], pairs))
        terms, next_s = (
            terms_of(study, side.index, self.rhythm),
            next_needs_s(study, trial, side.index + 1),
        )
        proof = Proof(self.session, side, self.baseline, terms, self.rhythm, next_s)
        self._keep(await proof.measure(self.watcher.note))


def _moved_away(side: Side) -> Trial:
    """Return a stand-in for a finalist's trial whose folder was moved away."""
    reason = "its folder was moved away"
    return Trial(side.trial_number or 0, side.candidate, "sampler", "pruned", reason)


def _side(session: Session, candidate: Candidate, name: str, number: int | None) -> Side:
    fill = session.study.seed + 500_000  # the same prompts for every side
    return Side(candidate, name, partial(held_out, session, fill), number)


def next_needs_s(study: Study, trial: Trial, index: int) -> float:
    """Return the least seconds that proving the finalist with this index takes, inf after the last.

    Its requests are assumed to take as long as those of `trial`.
    """
    served = [s.latency_s("e2e") for s in trial.samples if s.outcome == "ok"]
    if index >= MAX_FINALISTS or not served:
        return math.inf
    return fastest_proof_s(study, finalist_error(study, index), sum(served) / len(served))


def _pairs_text(study: Study, trial: Trial, control: Trial, planned: int) -> str:
    """Say how many pairs the comparison with the baseline is expected to need."""
    margin = study.guard.max_drop
    if margin is None:
        return "no comparison of correctness is asked for"
    if trial.candidate == control.candidate:
        return "max_drop: it is the baseline itself, which is not compared"
    # screening asked both the same templates in the same order
    both = zip(trial.samples, control.samples, strict=False)
    gaps = [is_correct(a) - is_correct(b) for a, b in both if not refused([b])]
    if not gaps:
        return f"max_drop: screening has no answers of both to compare; {planned} pairs planned"
    discordance, difference = sum(g != 0 for g in gaps) / len(gaps), sum(gaps) / len(gaps)
    if difference <= -margin:
        return f"max_drop: screening saw {difference:+.0%} correct answers; {planned} pairs planned"
    needed = pairs_needed(discordance, margin, difference, finalist_error(study, 0))
    return (
        f"max_drop: at least {needed:.0f} pairs are needed; {planned} are planned, and more come "
        "once nothing else is open"
    )


def _changed_text(candidate: Candidate, base: Candidate) -> str:
    found = [f"{name}={candidate[name]}" for name in changes(candidate, base)]
    return ", ".join(found) or "the baseline itself"
