"""Prove finalists one after the other, until one is proven or time is up; name a better one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from tuner.evaluate.measurement import Measurement
from tuner.guard.verdict import is_correct
from tuner.search.budget import ALPHAS, BASELINE_ALPHA, MAX_FINALISTS, Rhythm
from tuner.search.finalists import better, finalists, worth
from tuner.search.trial import Trial, value
from tuner.spec.study import Study
from tuner.spec.values import Candidate, changes
from tuner.stats.paired import pairs_needed
from tuner.store.trial_folder import KeptTrial
from tuner.workflow.measuring.session import Session
from tuner.workflow.tune.proof import (
    Side,
    again,
    confirm,
    fastest_proof_s,
    held_out,
    judged,
    terms_of,
)
from tuner.workflow.tune.screening import Watcher

LEAST_SHARE = 0.05
"""With less than this share of the budget left no further finalist is begun."""


@dataclass(slots=True)
class Proof:
    """What confirmation brought so far: the baseline's side, and each finalist's.

    `of_baseline` is the baseline's own proof, None where it was not tried.
    """

    rhythm: Rhythm
    baseline: Side
    sides: list[Side] = field(default_factory=list)
    measured: list[Measurement] = field(default_factory=list)
    of_baseline: Measurement | None = None

    @classmethod
    def of(
        cls, session: Session, base: Candidate, kept: Sequence[KeptTrial], rhythm: Rhythm
    ) -> Proof:
        """Return the proof with the blocks of an earlier part of the run.

        The last finalist is taken up again: whether it was done shows when it is looked at.
        """
        blocks = [k for k in kept if k.place.phase == "confirmation"]
        by_side = {k.place.side: k for k in blocks if k.place.side != "baseline"}
        proof = cls(rhythm, again(_side(session, base, "baseline", None), blocks))
        for name, block in by_side.items():
            side = _side(session, block.candidate, str(name), block.place.number)
            proof.sides.append(again(side, blocks))
        proof.sides.sort(key=lambda side: side.turn)
        proof.measured = [
            judged(session, side, proof.baseline, terms_of(session, side.turn, rhythm))
            for side in proof.sides[:-1]
        ]
        return proof

    @property
    def turn(self) -> int:
        """Return which finalist the next one is, counted from 0; each spends its error once."""
        return max((side.turn + 1 for side in self.sides), default=0)

    def alpha(self, number: int) -> float:
        """Return the error that the finalist with this place in `measured` may spend."""
        return ALPHAS[self.sides[number].turn] if self.sides else ALPHAS[0]

    @property
    def unfinished(self) -> bool:
        """Tell whether an earlier part of the run left a finalist that was not looked at again."""
        return len(self.sides) > len(self.measured)

    @property
    def passed(self) -> bool:
        """Tell whether a finalist is proven."""
        return any(m.verdict == "PASS" for m in self.measured)


async def prove(
    session: Session,
    trials: Sequence[Trial],
    base: Candidate,
    proof: Proof,
    watcher: Watcher,
    at_most: int,
) -> None:
    """Prove up to `at_most` finalists, best first, until one is proven or time is up."""
    by_number = {t.number: t for t in trials}
    if proof.unfinished:
        side = proof.sides[-1]
        trial = by_number.get(side.number or 0) or _moved_away(side)
        side.screened = trial.samples
        await _one(session, side, trial, trials, proof, watcher)
        at_most -= 1
    tried = {s.number for s in proof.sides}
    left = [t for t in trials if t.number not in tried]
    room = min(at_most, MAX_FINALISTS - proof.turn)
    for trial in finalists(session.study, left, base, room):
        late = session.left_s() < LEAST_SHARE * session.study.budget_s
        if proof.passed or (late and proof.sides):
            break
        await begin(session, trial, trials, base, proof, watcher)


def better_second(
    session: Session, trials: Sequence[Trial], base: Candidate, proof: Proof
) -> Trial | None:
    """Return the trial to be proven beside what is proven already, None where none is better.

    What is proven counts by the requests of its proof.
    """
    study, tried = session.study, {side.number for side in proof.sides}
    proven = (m for m in proof.measured if m.verdict == "PASS")
    best = max(
        (worth(study, m.samples, value(study, m.samples, m.memory_bytes)) for m in proven),
        default=math.inf,
    )
    left = [t for t in trials if t.number not in tried and t.candidate != base]
    return better(study, left, best)


async def begin(
    session: Session,
    trial: Trial,
    trials: Sequence[Trial],
    base: Candidate,
    proof: Proof,
    watcher: Watcher,
) -> None:
    """Prove one more finalist."""
    watcher.note(f"finalist {proof.turn + 1}: {_changed_text(trial.candidate, base)}")
    side = _side(session, trial.candidate, f"finalist-{proof.turn + 1}", trial.number)
    side.screened = trial.samples
    proof.sides.append(side)
    await _one(session, side, trial, trials, proof, watcher)


def _moved_away(side: Side) -> Trial:
    """Return what stands for a finalist's trial whose folder was moved away."""
    reason = "its folder was moved away"
    return Trial(side.number or 0, side.candidate, "sampler", "pruned", reason)


async def prove_baseline(session: Session, proof: Proof, watcher: Watcher) -> None:
    """Prove the baseline itself in the time that is left, so that it can be kept as proven."""
    side = proof.baseline
    terms = replace(terms_of(session, 0, proof.rhythm), alpha=BASELINE_ALPHA)
    now = judged(session, side, side, terms)
    if side.failed or "FAIL" in (now.latency_verdict, now.guard.verdict):
        return
    watcher.note("no finalist is better than the baseline beyond noise: proving the baseline")
    proof.of_baseline = await confirm(session, side, side, terms, proof.rhythm, 0.0, watcher.note)


async def _one(
    session: Session,
    side: Side,
    trial: Trial,
    trials: Sequence[Trial],
    proof: Proof,
    watcher: Watcher,
) -> None:
    """Confirm one side and keep its measurement."""
    pairs = proof.rhythm.baseline_requests
    watcher.note(_pairs_text(session.study, trial, trials[0], pairs))
    now = await confirm(
        session,
        side,
        proof.baseline,
        terms_of(session, side.turn, proof.rhythm),
        proof.rhythm,
        next_needs_s(session.study, trial, side.turn + 1),
        watcher.note,
    )
    proof.measured.append(now)


def _side(session: Session, candidate: Candidate, name: str, number: int | None) -> Side:
    fill = session.study.seed + 500_000  # the same prompts for every side
    return Side(candidate, name, held_out(session, fill), number)


def next_needs_s(study: Study, trial: Trial, number: int) -> float:
    """Return the least seconds that proving another finalist as fast takes, inf after the last."""
    served = [s.latency_s("e2e") for s in trial.samples if s.outcome == "ok"]
    if number >= MAX_FINALISTS or not served:
        return math.inf
    return fastest_proof_s(study, ALPHAS[number], sum(served) / len(served))


def _pairs_text(study: Study, trial: Trial, control: Trial, planned: int) -> str:
    """Say how many pairs the comparison with the baseline is expected to need."""
    margin = study.guard.max_drop
    # screening asked both the same templates in the same order
    gaps = [
        is_correct(a) - is_correct(b) for a, b in zip(trial.samples, control.samples, strict=False)
    ]
    if margin is None or not gaps or trial.candidate == control.candidate:
        return "no comparison of correctness is asked for"
    discordance, difference = sum(g != 0 for g in gaps) / len(gaps), sum(gaps) / len(gaps)
    if difference <= -margin:
        return f"max_drop: screening saw {difference:+.0%} correct answers; {planned} pairs planned"
    needed = pairs_needed(discordance, margin, difference, ALPHAS[0])
    return (
        f"max_drop: at least {needed:.0f} pairs are needed; {planned} are planned, and more come "
        "once nothing else is open"
    )


def _changed_text(candidate: Candidate, base: Candidate) -> str:
    found = [f"{name}={candidate[name]}" for name in changes(candidate, base)]
    return ", ".join(found) or "the baseline itself"
