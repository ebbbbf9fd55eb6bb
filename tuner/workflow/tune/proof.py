"""Prove a finalist on fresh, held-out prompts, interleaved with the baseline."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from tuner.evaluate.lateness import Terms
from tuner.evaluate.measurement import Client, Measurement, measurement
from tuner.machine import disturbance, resources
from tuner.search.budget import ALPHAS, Rhythm, proof_requests, request_s
from tuner.spec.study import Study
from tuner.spec.values import Candidate, Effective, Prompt, Sample, Slo
from tuner.spec.workload import Supply
from tuner.stats.planning import pass_probability
from tuner.store.trial_folder import KeptTrial, Measured, Place
from tuner.workflow.measuring.looks import Looks
from tuner.workflow.measuring.session import Session
from tuner.workflow.tune.turns import (
    Sent,
    Turn,
    drop_alone_is_open,
    floor_stays_open,
    guard_exhausted,
    turn,
)

LEAST_REQUESTS = 10
"""With time for fewer than so many, nothing more is started."""

HOPELESS = 0.10
"""A finalist whose predicted chance of a PASS in the time left is below this is dropped."""


@dataclass(slots=True)
class Side:
    """One candidate's samples over several engine starts, and the prompts still to come.

    `number` is the trial that the candidate comes from, `screened` that trial's samples.
    """

    candidate: Candidate
    name: str
    prompts: Iterator[Prompt]
    number: int | None = None
    samples: list[Sample] = field(default_factory=list)
    effective: Effective | None = None
    memory_bytes: int | None = None
    client: Client = field(default_factory=Client)
    resources: resources.Resources | None = None
    machine: disturbance.Disturbance | None = None
    failed: str | None = None
    blocks: int = 0
    screened: tuple[Sample, ...] = ()

    @property
    def turn(self) -> int:
        """Return which finalist this is, counted from 0: so much error it may spend.

        Its name tells, since the folders of others may have been moved away.
        """
        return int(self.name.rpartition("-")[2]) - 1

    @property
    def measured(self) -> tuple[Sample, ...]:
        """Return the samples that count."""
        return tuple(s for s in self.samples if not s.warmup)

    def fresh(self, prompts: Iterator[Prompt]) -> Iterator[Prompt]:
        """Return those prompts that it has not answered yet."""
        asked = {sample.prompt_id for sample in self.measured}
        return (prompt for prompt in prompts if prompt.id not in asked)

    @property
    def sent(self) -> Sent:
        """Return how much it has had."""
        return Sent(len(self.measured), self.blocks)

    def pace_s(self, restart_s: float) -> float:
        """Return the wall-clock seconds a request takes, restarts included."""
        spent_s = self.client.elapsed_s + self.blocks * restart_s
        return spent_s / max(len(self.measured), 1)

    def add(self, measured: Measured) -> None:
        """Add a block."""
        self.blocks += 1
        self.samples += measured.samples
        self.effective = measured.effective or self.effective
        self.memory_bytes = max(
            filter(None, (self.memory_bytes, measured.memory_bytes)), default=None
        )
        self.failed = measured.failed
        self.client = self.client.plus(measured.client)
        self.resources = resources.merged(self.resources, measured.resources)
        self.machine = disturbance.merged(self.machine, measured.machine)


def again(side: Side, kept: Sequence[KeptTrial]) -> Side:
    """Return a side with the blocks that an earlier part of the run measured for it."""
    for block in (k for k in kept if k.place.side == side.name):
        side.add(block.measured)
    return side


def terms_of(session: Session, number: int, rhythm: Rhythm) -> Terms:
    """Return the terms of the finalist with this number, counted from 0."""
    return Terms(alpha=ALPHAS[number], starts=rhythm.starts)


def held_out(session: Session, fill: int) -> Iterator[Prompt]:
    """Return held-out prompts in their fixed order; the same ones for every side."""
    supply = Supply(session.study.workload, held_out=True, seed=session.study.seed)
    return supply.prompts(fill)


async def confirm(
    session: Session,
    finalist: Side,
    baseline: Side,
    terms: Terms,
    rhythm: Rhythm,
    next_needs_s: float,
    progress: Callable[[str], None],
) -> Measurement:
    """Measure a finalist in blocks until its verdict falls.

    Each block has a fresh engine start, where the engine can be started again. The baseline gets
    blocks of its own beside the finalist's (`turns.turn` says whose turn it is). Ends at a
    verdict, when time is up, or when a PASS in the time left has become unlikely while the next
    finalist could still get one, which takes at least `next_needs_s` (infinite without a next
    one). Blocks that an earlier part of the run measured count.
    """
    alone = baseline.candidate == finalist.candidate
    now = judged(session, finalist, baseline, terms)
    while not finalist.blocks or not _over(session, finalist, baseline, now, terms, next_needs_s):
        due = turn(now, finalist.sent, baseline.sent, terms, rhythm)
        due = replace(due, baseline=0) if alone else due
        await _turns(session, finalist, baseline, due, terms)
        now = judged(session, finalist, baseline, terms)
        progress(_progress_line(now))
    return now


def _over(
    session: Session,
    finalist: Side,
    baseline: Side,
    now: Measurement,
    terms: Terms,
    next_needs_s: float,
) -> bool:
    """Tell whether a finalist's confirmation has come to its end."""
    if finalist.failed or now.verdict != "UNDECIDED":
        return True
    if baseline.failed and drop_alone_is_open(now):
        return True
    if guard_exhausted(now, len(session.study.workload.part(held_out=True))):
        return True
    left_s, restart_s = session.left_s(), session.pace().restart_s
    more = int((left_s - restart_s) / finalist.pace_s(restart_s))
    if more < LEAST_REQUESTS:
        return True
    return left_s > next_needs_s and (
        floor_stays_open(now, len(session.study.workload.part(held_out=True)))
        or _unlikely(session, now, finalist, more, terms.alpha)
    )


async def complete_baseline(
    session: Session, baseline: Side, rhythm: Rhythm, requests: int
) -> None:
    """Give the baseline its blocks and so many requests in all, as far as time allows."""
    while not baseline.failed and session.left_s() > session.pace().restart_s:
        missing = requests - len(baseline.measured)
        if baseline.blocks >= rhythm.baseline_blocks and missing <= 0:
            break
        n = max(rhythm.baseline_block, min(missing, rhythm.finalist_block))
        await _block(session, baseline, n, lambda sample: False)


async def _turns(session: Session, finalist: Side, baseline: Side, due: Turn, terms: Terms) -> None:
    """Give each side what is due, the baseline the prompts that the finalist is asked.

    They go first in turn, B F F B and so on, so that a machine that changes its pace steadily is
    in nobody's favour.
    """
    finalist.prompts, same = itertools.tee(finalist.prompts)
    beside = finalist.fresh(same) if due.finalist else baseline.prompts

    async def ours() -> None:
        if due.finalist:
            await _block(session, finalist, due.finalist, _decided(session, finalist, terms))

    async def theirs() -> None:
        if due.baseline and session.left_s() > session.pace().restart_s:
            await _block(session, baseline, due.baseline, lambda sample: False, beside)

    for turn_of in (ours, theirs) if finalist.blocks % 2 else (theirs, ours):
        await turn_of()


def judged(session: Session, side: Side, baseline: Side, terms: Terms | None = None) -> Measurement:
    """Return a side's measurement as it stands, against the baseline where that is another."""
    terms = terms or Terms()
    if side is not baseline and side.candidate != baseline.candidate:
        terms = replace(terms, baseline=baseline.measured)
    return measurement(
        session.study,
        side.candidate,
        side.effective,
        side.samples,
        terms=terms,
        client=side.client,
        memory_bytes=side.memory_bytes,
        resources=side.resources,
        machine=side.machine,
    )


async def _block(
    session: Session,
    side: Side,
    n: int,
    decided: Callable[[Sample], bool],
    prompts: Iterator[Prompt] | None = None,
) -> None:
    def stop(sample: Sample) -> bool:
        return session.left_s() <= 0 or decided(sample)

    name = f"{side.name}-{side.blocks + 1}"
    asked = itertools.islice(side.fresh(prompts or side.prompts), n)
    place = Place("confirmation", side.number, side=side.name)
    measured = await session.measure(
        side.candidate, asked, name, place, n=n, fresh=True, as_created=True, stop=stop
    )
    side.add(measured)


def _decided(session: Session, side: Side, terms: Terms) -> Callable[[Sample], bool]:
    """Return a stop rule: an SLO has failed; a PASS waits for the guard at the block's end."""
    looks = Looks(session.study, terms)
    for sample in side.measured:
        looks.add(sample)

    def stop(sample: Sample) -> bool:
        looks.add(sample)
        return _late_for_any(session, sample) and looks.failed()

    return stop


def _late_for_any(session: Session, sample: Sample) -> bool:
    return any(_late(session, slo, sample) for slo in session.study.slos)


def _late(session: Session, slo: Slo, sample: Sample) -> bool:
    scheduled = session.study.workload.load.open_loop
    return sample.latency_s(slo.metric, scheduled=scheduled) > slo.max_s


def _unlikely(session: Session, now: Measurement, side: Side, more: int, alpha: float) -> bool:
    """Tell whether a PASS within so many more requests has become unlikely."""
    rng = np.random.default_rng(session.study.seed)
    undecided = (
        (slo, c, c.late + now.counts.unknown_for(slo.metric))
        for slo, c in now.certificates.items()
        if c.verdict == "UNDECIDED"
    )
    chances = (
        # of requests that hang together over m others, every (m + 1)th is evidence of its own
        pass_probability(
            -(-late // (c.m + 1)), -(-c.n // (c.m + 1)), more // (c.m + 1),
            slo.quantile, alpha, rng, seen_before=_screened(session, side, slo),
        )
        for slo, c, late in undecided
    )  # fmt: skip
    return any(chance < HOPELESS for chance in chances)


def fastest_proof_s(study: Study, alpha: float, answer_s: float) -> float:
    """Return the seconds in which a finalist without any late request could be proven."""
    return proof_requests(study, alpha) * request_s(study, answer_s)


def _screened(session: Session, side: Side, slo: Slo) -> tuple[int, int]:
    """Return (late, n) of the search's samples: they inform a prediction, never a verdict."""
    return sum(_late(session, slo, s) for s in side.screened), len(side.screened)


def _progress_line(now: Measurement) -> str:
    parts = [
        f"{slo}: {c.verdict} after {c.n} ({c.late} late)" for slo, c in now.certificates.items()
    ]
    guard = [f"{key}: {verdict}" for key, verdict in now.guard.verdicts.items()]
    return "; ".join([*parts, *guard])
