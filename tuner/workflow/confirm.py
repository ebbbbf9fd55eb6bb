"""Prove a finalist on fresh, held-out prompts, interleaved with the baseline."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from tuner.report import disturbance, resources
from tuner.report.measurement import Client, Measurement, Terms, certificate, measurement
from tuner.search.budget import ALPHAS, Rhythm, visits
from tuner.spec.study import Study
from tuner.spec.values import Candidate, Effective, Prompt, Sample, Slo, Verdict
from tuner.spec.workload import CLUSTER_GROUP, Supply
from tuner.stats.eprocess import expected_requests, pass_probability, requests_to_pass
from tuner.workflow.session import Session
from tuner.workflow.trial_folder import KeptTrial, Measured, Place

LEAST_REQUESTS = 10
"""With time for fewer than so many, nothing more is started."""

LEAST_BLOCK = 20
"""Requests that an engine start is worth at least."""

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
    def measured(self) -> tuple[Sample, ...]:
        """Return the samples that count."""
        return tuple(s for s in self.samples if not s.warmup)

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
        for _ in block.measured.kept:
            next(side.prompts)
    return side


def terms_of(session: Session, number: int, rhythm: Rhythm) -> Terms:
    """Return the terms of the finalist with this number, counted from 0."""
    return Terms(alpha=ALPHAS[number], visits=visits(session.study), starts=rhythm.starts)


def held_out(session: Session, fill: int) -> Iterator[Prompt]:
    """Return held-out prompts in their fixed order; the same ones for every side."""
    supply = Supply(session.study.workload, held_out=True, seed=session.study.seed)
    return supply.prompts(fill, visits(session.study))


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

    Each block has a fresh engine start, where the engine can be started again. Before each the
    baseline gets a block of its own until it has enough. Ends at a verdict, when time is up, or
    when a PASS in the time left has become unlikely while the next finalist could still get one,
    which takes at least `next_needs_s` (infinite without a next one). Blocks that an earlier part
    of the run measured count.
    """
    now = judged(session, finalist, baseline, terms)
    while not finalist.blocks or not _over(session, finalist, now, terms, rhythm, next_needs_s):
        if baseline.candidate != finalist.candidate:
            await _baseline_block(session, baseline, rhythm)
        n = _block_size(now, finalist.blocks, terms, rhythm)
        await _block(session, finalist, n, _decided(session, finalist, terms))
        now = judged(session, finalist, baseline, terms)
        progress(_progress_line(now))
    return now


def _block_size(now: Measurement, blocks: int, terms: Terms, rhythm: Rhythm) -> int:
    """Return the requests of the next block: what a PASS still takes, over the blocks to come.

    Where the latencies have passed and only the guard is open, a block as planned.
    """
    needed = [
        requests_to_pass(-(-c.late // (c.m + 1)), -(-c.n // (c.m + 1)), slo.quantile, terms.alpha)
        * (c.m + 1)
        for slo, c in now.certificates.items()
        if c.verdict == "UNDECIDED"
    ]
    missing = max(needed, default=0)
    if not missing:
        return rhythm.finalist_block
    to_come = max(rhythm.finalist_blocks - blocks, 1)
    return min(max(-(-missing // to_come), LEAST_BLOCK), 2 * rhythm.finalist_block)


def _over(
    session: Session,
    finalist: Side,
    now: Measurement,
    terms: Terms,
    rhythm: Rhythm,
    next_needs_s: float,
) -> bool:
    """Tell whether a finalist's confirmation has come to its end."""
    if finalist.failed or now.verdict != "UNDECIDED" or _guard_exhausted(session, now, rhythm):
        return True
    left_s, restart_s = session.left_s(), session.pace().restart_s
    more = int((left_s - restart_s) / finalist.pace_s(restart_s))
    if more < LEAST_REQUESTS:
        return True
    return left_s > next_needs_s and _unlikely(session, now, finalist, more, terms.alpha)


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


async def _baseline_block(session: Session, baseline: Side, rhythm: Rhythm) -> None:
    """Give the baseline a block where it lacks one and time allows."""
    time_left = session.left_s() > session.pace().restart_s
    if baseline.blocks < rhythm.baseline_blocks and time_left:
        await _block(session, baseline, rhythm.baseline_block, lambda sample: False)


def judged(session: Session, side: Side, baseline: Side, terms: Terms | None = None) -> Measurement:
    """Return a side's measurement as it stands, against the baseline where that is another."""
    terms = terms or Terms(visits=visits(session.study))
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
) -> None:
    def stop(sample: Sample) -> bool:
        return session.left_s() <= 0 or decided(sample)

    name = f"{side.name}-{side.blocks + 1}"
    prompts = itertools.islice(side.prompts, n)
    place = Place("confirmation", side.number, side=side.name)
    measured = await session.measure(
        side.candidate, prompts, name, place, n=n, fresh=True, as_created=True, stop=stop
    )
    side.add(measured)


def _decided(session: Session, side: Side, terms: Terms) -> Callable[[Sample], bool]:
    """Return a stop rule: an SLO has failed; a PASS waits for the guard at the block's end."""
    seen = list(side.measured)

    def stop(sample: Sample) -> bool:
        seen.append(sample)
        return any(
            _late(session, slo, sample)
            and certificate(session.study, slo, seen, terms).verdict == "FAIL"
            for slo in session.study.slos
        )

    return stop


def _late(session: Session, slo: Slo, sample: Sample) -> bool:
    scheduled = session.study.workload.load.open_loop
    return sample.latency_s(slo.metric, scheduled=scheduled) > slo.max_s


def _unlikely(session: Session, now: Measurement, side: Side, more: int, alpha: float) -> bool:
    """Tell whether a PASS within so many more requests has become unlikely."""
    rng = np.random.default_rng(session.study.seed)
    undecided = ((slo, c) for slo, c in now.certificates.items() if c.verdict == "UNDECIDED")
    chances = (
        # of requests that hang together over m others, every (m + 1)th is evidence of its own
        pass_probability(
            -(-c.late // (c.m + 1)), -(-c.n // (c.m + 1)), more // (c.m + 1),
            slo.quantile, alpha, rng, seen_before=_screened(session, side, slo),
        )
        for slo, c in undecided
    )  # fmt: skip
    return any(chance < HOPELESS for chance in chances)


def fastest_proof_s(study: Study, alpha: float, pace_s: float) -> float:
    """Return the seconds in which a finalist without any late request could be proven."""
    needed = (expected_requests(0.0, slo.quantile, alpha) for slo in study.slos)
    return max(needed, default=0.0) * pace_s


def _screened(session: Session, side: Side, slo: Slo) -> tuple[int, int]:
    """Return (late, n) of the search's samples: they inform a prediction, never a verdict."""
    return sum(_late(session, slo, s) for s in side.screened), len(side.screened)


def _guard_exhausted(session: Session, now: Measurement, rhythm: Rhythm) -> bool:
    """Tell whether every held-out cluster has been seen and only the guard is open."""
    part = session.study.workload.part(held_out=True)
    slos_decided = all(c.verdict == "PASS" for c in now.certificates.values())
    clustered = any(t.slots for t in part)
    return (
        slos_decided and clustered and now.guard.clusters >= len(part) and _pairs_spent(now, rhythm)
    )


def _pairs_spent(now: Measurement, rhythm: Rhythm) -> bool:
    return now.guard.pairs >= rhythm.baseline_requests - CLUSTER_GROUP


def _progress_line(now: Measurement) -> str:
    parts = [
        f"{slo}: {c.verdict} after {c.n} ({c.late} late)" for slo, c in now.certificates.items()
    ]
    guard = [f"{key}: {verdict}" for key, verdict in now.guard.verdicts.items()]
    return "; ".join([*parts, *guard])


def what_stood_in_the_way(now: Measurement | None) -> list[str]:
    """Return sentences that say what kept a finalist from being proven, and by how much."""
    if now is None:
        return ["no candidate could be measured in the time given"]
    reasons = [_slo_reason(slo, now) for slo, c in now.certificates.items() if c.verdict != "PASS"]
    for key, verdict in now.guard.verdicts.items():
        if verdict != "PASS":
            reasons.append(_guard_reason(key, verdict, now))
    if now.saturated:
        reasons.append(now.saturated)
    return reasons


def _slo_reason(slo: Slo, now: Measurement) -> str:
    c = now.certificates[slo]
    p = now.quantiles[slo.metric][slo.quantile]
    value = "no bound" if p.value is None else f"{p.value * 1000:.0f} ms"
    if c.verdict == "FAIL":
        return f"latency: {slo} FAILED, {c.late} of {c.n} late, measured {value}"
    return (
        f"budget: {slo} is UNDECIDED after {c.n} requests, {c.late} late, measured {value}; "
        "a larger --budget may decide it"
    )


def _guard_reason(key: str, verdict: Verdict, now: Measurement) -> str:
    g = now.guard
    share = {"min_valid": g.valid, "min_correct": g.correct, "max_drop": g.difference}[key]
    low = "none" if share.low is None else f"{share.low:.3f}"
    value = "none" if share.value is None else f"{share.value:.3f}"
    needed = (
        f", about {g.pairs_needed:.0f} pairs needed" if key == "max_drop" and g.pairs_needed else ""
    )
    seen = f"lower bound {low}, {g.clusters} templates{needed}"
    return f"guard: {key} is {verdict}, measured {value} ({seen})"
