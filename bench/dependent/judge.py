"""Say of a drawn world what `tune` would say: its own functions look, as often as a run does."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace

import numpy as np

from bench.dependent.draws import TARGET_S, Bools, Drawn, Traffic, World
from tuner.evaluate.lateness import Lateness, Terms
from tuner.evaluate.measured import Measured
from tuner.evaluate.measurement import Measurement, measurement
from tuner.search.budget import Pace, Rhythm, rhythm
from tuner.search.error import ALPHAS
from tuner.spec.requests.workload import Supply, Template, Workload
from tuner.spec.study import Study
from tuner.spec.values import Claim, Guard, Load, Message, Sample, Slo
from tuner.workflow.tune.proving.turns import Sent, guard_exhausted, turn

P99 = Slo("e2e", 0.99, TARGET_S)
ALPHA = ALPHAS[0]
"""The error of the first finalist."""

LIMIT = 4000
"""Requests after which an undecided proof ends, times the root of how many are in flight."""

FOUR_STARTS, TWO_STARTS = Pace(1.0, restart_s=1.0), Pace(1.0, restart_s=1000.0)
"""How fast requests and engine starts are where a proof rests on so many starts."""

_PAUSE_NS = 1000
"""What a client takes between an answer and the next request: rounding makes none overlap."""


@dataclass(slots=True)
class Sending:
    """What was drawn so far, block by block; samples are made of it where somebody looks."""

    blocks: list[Drawn] = field(default_factory=list)
    _made: list[Sample] = field(default_factory=list)

    @property
    def late(self) -> Bools:
        """Tell of each request whether it was late."""
        return np.concatenate([drew.late for drew in self.blocks])

    @property
    def n(self) -> int:
        """Return how many requests were sent."""
        return sum(drew.late.size for drew in self.blocks)

    def cut(self, n: int) -> None:
        """Keep the first n of the last block."""
        last = self.blocks.pop()
        columns = (getattr(last, f.name)[:n] for f in fields(Drawn))
        self.blocks.append(Drawn(*columns))
        del self._made[self.n :]

    def samples(self) -> list[Sample]:
        """Return all as samples."""
        made = self._made[-1].engine_start if self._made else 0
        for drew in self.blocks[made:]:
            self._made += as_samples(drew, self._made)
        return self._made


@dataclass(frozen=True, slots=True)
class Proof:
    """What a proof came to, and how likely its requests were to be late, on average."""

    found: Measurement
    sent: Sending
    chance: float


def study(
    weights: Sequence[float] = (1.0,),
    load: Load | None = None,
    guard: Guard | None = None,
    slos: tuple[Slo, ...] = (P99,),
    claim: Claim | None = None,
) -> Study:
    """Return a study with a held-out template for each weight; those of one weight are a kind."""
    templates = tuple(
        Template(
            id=str(number),
            messages=(Message("user", f"Sum up case {number}, file {{file}}."),),
            expect={"case": number},
            kind=f"weighs {weight:g}",
            weight=weight,
            held_out=True,
        )
        for number, weight in enumerate(weights)
    )
    return Study(
        name="dependent",
        engine="llamacpp",
        model="model.gguf",
        workload=Workload(templates, {"file": tuple(range(1000))}, load=load or Load()),
        slos=slos,
        guard=guard or Guard(),
        claim=claim or Claim(),
    )


def traffic(asked: Study) -> Traffic:
    """Return how a proof asks the templates of a study."""
    templates = asked.workload.part(held_out=True)
    kinds = sorted({t.kind for t in templates})
    prompts = Supply(asked.workload, held_out=True, seed=asked.seed).prompts(0)
    return Traffic(
        order=np.array([int(p.cluster) for p in itertools.islice(prompts, 4 * LIMIT)]),
        kinds=np.array([kinds.index(t.kind) for t in templates]),
        weights=np.array([t.weight for t in templates]),
    )


def prove(asked: Study, world: World, rng: np.random.Generator, pace: Pace = FOUR_STARTS) -> Proof:
    """Return what the proof of the first finalist comes to, as `workflow.tune.proof` takes it.

    Blocks are as long as there. A PASS is looked for after each of them, a FAIL after each late
    request; with several in flight after each block as well, which lets more runs come to a PASS.
    """
    beat = rhythm(asked, pace)
    terms = Terms(alpha=ALPHA, starts=beat.starts)
    now, block, sent = measurement(asked, {}, Measured(None, ()), terms), world(rng), Sending()
    while not (sent.blocks and _over(asked, now)):
        due = turn(now, Sent(sent.n, len(sent.blocks)), _done(beat), terms, beat)
        sent.blocks.append(block(due.finalist))
        if asked.workload.load == Load() and asked.slos:
            _stop_at_fail(asked, sent, terms)
        now = _look(asked, sent, terms, now)
    chance = np.concatenate([drew.chance for drew in sent.blocks])
    return Proof(now, sent, float(chance.mean()))


def in_full(asked: Study, proof: Proof) -> Measurement:
    """Return everything that is said about the samples of a proof."""
    return measurement(asked, {}, Measured(None, tuple(proof.sent.samples())), Terms(alpha=ALPHA))


def as_samples(drew: Drawn, after: Sequence[Sample] = ()) -> list[Sample]:
    """Return what was drawn as samples of an engine start of their own, after those given."""
    start = after[-1].engine_start if after else 0
    clock = max((s.end_ns or 0 for s in after if s.engine_start == start), default=0)
    sent, took = (np.rint(s * 1e9).astype(np.int64) for s in (drew.sent_s, drew.latency_s))
    sent += clock
    ended = sent + took - _PAUSE_NS
    columns = sent.tolist(), ended.tolist(), drew.template.tolist(), drew.right.tolist()
    numbered = zip(itertools.count(len(after)), *columns)
    return [_sample(*row, start=start + 1) for row in numbered]


def _sample(number: int, sent: int, ended: int, template: int, right: bool, start: int) -> Sample:
    return Sample(
        prompt_id=f"h0-{number}",
        kind="",
        planned_ns=sent,
        sent_ns=sent,
        first_ns=sent,
        last_ns=ended,
        connect_ns=0,
        prompt_tokens=20,
        output_tokens=20,
        finish="stop",
        outcome="ok",
        error=None,
        answer="",
        guard="correct" if right else "wrong_fields",
        engine_start=start,
        cluster=f"alone-{number}" if template < 0 else str(template),
        end_ns=ended,
        block=start,
    )


def _look(asked: Study, sent: Sending, terms: Terms, last: Measurement) -> Measurement:
    """Return the measurement; where nothing can have been decided, only with new counts."""
    late, load = sent.late, asked.workload.load
    if asked.guard.asks or not asked.slos or may_tell(late, load, asked.claim)[-1]:
        samples = sent.samples()
        lateness = Lateness.of(asked, samples, terms)
        found = {slo: lateness.certificate(slo) for slo in asked.slos}
        if asked.guard.asks or all(c.verdict != "UNDECIDED" for c in found.values()):
            return measurement(asked, {}, Measured(None, tuple(samples)), terms)
    else:
        n, count = late.size, int(late.sum())
        found = {slo: replace(c, n=n, late=count) for slo, c in last.certificates.items()}
    return replace(last, certificates=found)


def _stop_at_fail(asked: Study, sent: Sending, terms: Terms) -> None:
    """Send no more of the last block after the late request at which a target has failed."""
    late = sent.late
    before = late.size - sent.blocks[-1].late.size
    too_many = late & (late.cumsum() > (1 - P99.quantile) * np.arange(1, late.size + 1))
    for place in np.flatnonzero(too_many & may_tell(late, Load(), asked.claim)).tolist():
        if place < before:
            continue
        found = Lateness.of(asked, sent.samples()[: place + 1], terms).certificate(P99)
        if found.verdict == "FAIL":
            sent.cut(place + 1 - before)
            return


def may_tell(late: Bools, load: Load, claim: Claim) -> Bools:
    """Tell after which requests a target can have passed or failed; spares looks.

    A verdict takes a likelihood ratio of 1 / alpha, and with one in flight that of the share seen
    to 1 % is the largest. With several, one strand may have seen no late request at all.
    """
    n, bound = np.arange(1, late.size + 1), 1 - P99.quantile
    count = late.cumsum()
    if load != Load():
        strands = 1 if load.open_loop or claim.in_flight == "apart" else load.concurrency
        return (-n * np.log(P99.quantile) / strands >= math.log(1 / ALPHA)) | (count > bound * n)
    timely = n - count
    ratio = count * np.log(np.maximum(count, 1) / (bound * n))
    ratio += timely * np.log(np.maximum(timely, 1) / ((1 - bound) * n))
    told: Bools = ratio >= math.log(1 / ALPHA)
    return told


def _over(asked: Study, now: Measurement) -> bool:
    templates = asked.workload.proof_templates
    told = now.verdict != "UNDECIDED" or guard_exhausted(now, templates)
    n = max((c.n for c in now.certificates.values()), default=now.n)
    return told or n >= LIMIT * math.sqrt(asked.workload.load.concurrency)


def _done(beat: Rhythm) -> Sent:
    """Return a baseline that has had all its blocks."""
    return Sent(beat.baseline_requests, beat.baseline_blocks)
