"""The proof of one finalist: fresh, held-out prompts, interleaved with the baseline."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from tuner.evaluate.estimates import is_late
from tuner.evaluate.lateness import Terms
from tuner.evaluate.measured import Measured
from tuner.evaluate.measurement import Measurement, measurement
from tuner.search.budget import LEAST_S, Rhythm, proof_requests, request_s
from tuner.search.error import finalist_error
from tuner.spec.requests.workload import Supply
from tuner.spec.study import Study
from tuner.spec.values import Candidate, Prompt, Sample, Slo
from tuner.stats.planning import pass_probability
from tuner.store.trial_folder import Place, StoredTrial
from tuner.workflow.measuring.session import Session
from tuner.workflow.measuring.trial_spec import StopRule, TrialSpec, never
from tuner.workflow.measuring.verdict_so_far import VerdictSoFar
from tuner.workflow.tune.proving.turns import (
    Sent,
    Turn,
    drop_alone_is_open,
    floor_stays_open,
    guard_exhausted,
    turn,
)

LEAST_REQUESTS = 10
"""With time for fewer requests than this, no further block is started."""

TRIES = 3
"""After so many failed blocks in a row the baseline is measured no more."""

HOPELESS = 0.10
"""A finalist is dropped when its predicted chance of a PASS in the time left is below this."""


@dataclass(slots=True)
class Side:
    """One side of a proof: a candidate, its blocks so far, and all its prompts from the first.

    `trial_number` is the trial that the candidate comes from, `screened` that trial's samples.
    `answered` are the samples of the blocks that did not fail: answers are compared with no others.
    `failures` counts the failed blocks at the end.
    """

    candidate: Candidate
    name: str
    prompts: Callable[[], Iterator[Prompt]]
    trial_number: int | None = None
    measured: Measured = field(default_factory=Measured)
    blocks: int = 0
    answered: tuple[Sample, ...] = ()
    failures: int = 0
    screened: tuple[Sample, ...] = ()

    @property
    def index(self) -> int:
        """Return which finalist this is, counted from 0; its error depends on that.

        Its name tells, since the folders of others may have been moved away.
        """
        return int(self.name.rpartition("-")[2]) - 1

    @property
    def samples(self) -> tuple[Sample, ...]:
        """Return the samples that count."""
        return self.measured.counted

    @property
    def failed(self) -> str | None:
        """Say why its last block brought nothing to compare, None where it did."""
        return self.measured.failed

    @property
    def given_up(self) -> bool:
        """Tell whether it failed so often that it is measured no more."""
        return self.failures >= TRIES

    @property
    def sent(self) -> Sent:
        """Return how many requests and blocks it has had, failed blocks left out."""
        return Sent(len(self.answered), len({sample.block for sample in self.answered}))

    def fresh(self, prompts: Iterator[Prompt] | None = None) -> Iterator[Prompt]:
        """Return those prompts, by default all its own, that it has not answered yet."""
        asked = {sample.prompt_id for sample in self.answered}
        return (prompt for prompt in prompts or self.prompts() if prompt.id not in asked)

    @property
    def request_s(self) -> float:
        """Return the wall-clock seconds from one request to the next, starts left out."""
        return max(self.measured.client.elapsed_s, LEAST_S) / max(len(self.samples), 1)

    def add(self, block: Measured) -> None:
        """Add a block."""
        self.blocks += 1
        self.measured = self.measured.plus(block)
        self.failures = self.failures + 1 if block.failed else 0
        self.answered += () if block.failed else block.counted

    def add_stored(self, stored: Sequence[StoredTrial]) -> None:
        """Add the blocks that an earlier part of the run measured for it.

        What failed then is tried again: the run may go on because the cause was found.
        """
        for block in (t for t in stored if t.place.side == self.name):
            self.add(block.measured)
        self.failures = 0

    def evaluated(self, study: Study, baseline: Side, terms: Terms) -> Measurement:
        """Return its measurement so far, beside the baseline where that is another candidate."""
        if self is not baseline and self.candidate != baseline.candidate:
            terms = replace(terms, baseline=baseline.answered)
        return measurement(study, self.candidate, self.measured, terms)


def terms_of(study: Study, index: int, rhythm: Rhythm) -> Terms:
    """Return the terms of the finalist with this index."""
    return Terms(alpha=finalist_error(study, index), starts=rhythm.starts)


def held_out(session: Session, fill: int) -> Iterator[Prompt]:
    """Yield held-out prompts in their fixed order, which is the same for every side."""
    supply = Supply(session.study.workload, held_out=True, seed=session.study.seed)
    return supply.prompts(fill)


@dataclass(frozen=True, slots=True)
class Proof:
    """The proof of one finalist, interleaved with the baseline.

    `next_needs_s` is the least time, in seconds, in which the next finalist could be proven;
    infinite without a next one.
    """

    session: Session
    finalist: Side
    baseline: Side
    terms: Terms
    rhythm: Rhythm
    next_needs_s: float

    async def measure(self, progress: Callable[[str], None]) -> Measurement:
        """Measure the finalist in blocks until its verdict falls.

        Each block has a fresh engine start, where the engine can be started again. The baseline
        gets blocks of its own beside the finalist's (`turns.turn` says whose turn it is); one that
        failed compares nothing and is measured again, up to TRIES times in a row. Ends at
        a verdict, when time is up, or when a PASS in the time left has become unlikely while the
        next finalist could still get one. Blocks that an earlier part of the run measured count.
        """
        alone = self.baseline.candidate == self.finalist.candidate
        now = self._evaluated()
        while not self.finalist.blocks or not self._over(now):
            due = turn(now, self.finalist.sent, self.baseline.sent, self.terms, self.rhythm)
            if not await self._measure_blocks(replace(due, baseline=0) if alone else due):
                break
            now = self._evaluated()
            progress(_progress_line(now, self.baseline.failed))
        return now

    def _evaluated(self) -> Measurement:
        return self.finalist.evaluated(self.session.study, self.baseline, self.terms)

    def _over(self, now: Measurement) -> bool:
        """Tell whether the proof is over: decided, out of time, or not worth its time."""
        session, templates = self.session, self.session.study.workload.proof_templates
        if self.finalist.failed or now.verdict != "UNDECIDED":
            return True
        if self.baseline.given_up and drop_alone_is_open(now):
            return True
        if guard_exhausted(now, templates):
            return True
        if not has_time(session, self.finalist):
            return True
        if (left_s := session.left_s()) <= self.next_needs_s:
            return False
        return floor_stays_open(now, templates) or self._unlikely(now, self._more(left_s))

    def _more(self, left_s: float) -> int:
        """Return how many further requests the time left is enough for, after the starts to come.

        The baseline's blocks that are still to come between the finalist's have starts too.
        """
        rhythm, restart_s = self.rhythm, self.session.pace().restart_s
        starts = max(rhythm.finalist_blocks - self.finalist.blocks, 1)
        if rhythm.interleaved:
            starts += max(rhythm.baseline_blocks - self.baseline.sent.blocks, 0)
        return max(int((left_s - starts * restart_s) / self.finalist.request_s), 0)

    def _unlikely(self, now: Measurement, more: int) -> bool:
        """Tell whether a PASS within `more` further requests is unlikely."""
        rng = np.random.default_rng(self.session.study.seed)
        undecided = (
            (slo, c, c.late + now.counts.unknown_for(slo.metric))
            for slo, c in now.certificates.items()
            if c.verdict == "UNDECIDED"
        )
        chances = (
            # of requests that hang together over m others, every (m + 1)th is evidence of its own
            pass_probability(
                -(-late // (c.m + 1)), -(-c.n // (c.m + 1)), more // (c.m + 1),
                slo.quantile, self.terms.alpha, rng, seen_before=self._late_in_search(slo),
            )
            for slo, c, late in undecided
        )  # fmt: skip
        return any(chance < HOPELESS for chance in chances)

    def _late_in_search(self, slo: Slo) -> tuple[int, int]:
        """Return (late, n) of the search's samples, for predictions only, never for a verdict."""
        samples = self.finalist.screened
        return sum(is_late(self.session.study, slo, s) is True for s in samples), len(samples)

    async def _measure_blocks(self, due: Turn) -> bool:
        """Send each side the requests that are due; the baseline gets the finalist's prompts.

        The sides take turns at going first, B F F B and so on, so that a machine that changes its
        pace steadily favours neither. No block begins for which there is no time, but the
        finalist's first. Returns whether one began.
        """
        session, finalist, baseline = self.session, self.finalist, self.baseline
        before = finalist.blocks + baseline.blocks
        shared = finalist.fresh() if due.finalist else None

        async def ours() -> None:
            if due.finalist and (not finalist.blocks or has_time(session, finalist)):
                await _measure_block(session, finalist, due.finalist, self._stop_at_fail())

        async def theirs() -> None:
            if due.baseline and not baseline.given_up and has_time(session, baseline):
                await _measure_block(session, baseline, due.baseline, prompts=shared)

        for measure_side in (ours, theirs) if finalist.blocks % 2 else (theirs, ours):
            await measure_side()
        return finalist.blocks + baseline.blocks > before

    def _stop_at_fail(self) -> StopRule:
        """Return a stop rule that ends a block when an SLO has failed.

        A PASS waits for the end of the block, where the guard is looked at as well.
        """
        study, so_far = self.session.study, VerdictSoFar(self.session.study, self.terms)
        for sample in self.finalist.samples:
            so_far.add(sample)

        def stop(sample: Sample) -> bool:
            so_far.add(sample)
            late = any(is_late(study, slo, sample) for slo in study.slos)
            return late and so_far.failed()

        return stop


async def complete_baseline(
    session: Session, baseline: Side, rhythm: Rhythm, requests: int
) -> None:
    """Give the baseline its planned blocks and at least `requests` requests, if time allows."""
    while not baseline.given_up and has_time(session, baseline):
        missing = requests - baseline.sent.requests
        if baseline.sent.blocks >= rhythm.baseline_blocks and missing <= 0:
            break
        n = max(rhythm.baseline_block, min(missing, rhythm.finalist_block))
        await _measure_block(session, baseline, n)


def has_time(session: Session, side: Side) -> bool:
    """Tell whether a start of a side, its warm-up and the fewest requests fit into what is left."""
    pace = session.pace()
    request_s = side.request_s if side.samples else pace.request_s
    return session.left_s() >= pace.restart_s + (pace.warmups + LEAST_REQUESTS) * request_s


async def _measure_block(
    session: Session,
    side: Side,
    n: int,
    decided: StopRule = never,
    prompts: Iterator[Prompt] | None = None,
) -> None:
    def stop(sample: Sample) -> bool:
        return session.left_s() <= 0 or decided(sample)

    place = Place("confirmation", side.trial_number, side=side.name)
    asked = itertools.islice(side.fresh(prompts), n)
    name = f"{side.name}-{side.blocks + 1}"
    spec = TrialSpec(name, place, asked, n, stop, fresh=True, as_model=True)
    side.add(await session.measure(side.candidate, spec))


def fastest_proof_s(study: Study, alpha: float, answer_s: float) -> float:
    """Return the seconds that a proof takes when no request is late and each takes `answer_s`."""
    return proof_requests(study, alpha) * request_s(study, answer_s)


def _progress_line(now: Measurement, baseline_failed: str | None) -> str:
    parts = [
        f"{slo}: {c.verdict} after {c.n} ({c.late} late)" for slo, c in now.certificates.items()
    ]
    guard = [f"{key}: {verdict}" for key, verdict in now.guard.verdicts.items()]
    failed = [f"the baseline failed: {baseline_failed.splitlines()[0]}"] if baseline_failed else []
    return "; ".join([*parts, *guard, *failed])
