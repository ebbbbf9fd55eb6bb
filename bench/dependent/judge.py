"""Say of a drawn world what `tune` would say: its own functions look, as often as a run does."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from bench.dependent.draws import TARGET_S, Drawn, Traffic, World
from tuner.report.measurement import Measurement, Terms, certificate, measurement
from tuner.search.budget import ALPHAS, Rhythm, visits
from tuner.spec.study import Study
from tuner.spec.values import Guard, Load, Message, Sample, Slo
from tuner.spec.workload import Supply, Template, Workload
from tuner.workflow.turns import Sent, guard_exhausted, turn

P99 = Slo("e2e", 0.99, TARGET_S)
ALPHA = ALPHAS[0]
"""The error of the first finalist."""

LIMIT = 4000
"""Requests after which an undecided proof ends."""

FOUR_STARTS, TWO_STARTS = Rhythm(100, 4, 20, 4), Rhythm(250, 2, 50, 2)

_PAUSE_NS = 1000
"""What a client takes between an answer and the next request: rounding makes none overlap."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What a proof came to, and how likely its requests were to be late, on average."""

    found: Measurement
    chance: float


def study(
    weights: Sequence[float] = (1.0,),
    load: Load | None = None,
    guard: Guard | None = None,
    slos: tuple[Slo, ...] = (P99,),
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
    workload = Workload(templates, {"file": tuple(range(1000))}, load=load or Load())
    return Study("dependent", "llamacpp", "model.gguf", workload, slos=slos, guard=guard or Guard())


def traffic(asked: Study) -> Traffic:
    """Return how a proof asks the templates of a study."""
    templates = asked.workload.part(held_out=True)
    kinds = sorted({t.kind for t in templates})
    prompts = Supply(asked.workload, held_out=True, seed=asked.seed).prompts(0, visits(asked))
    enough = LIMIT + 2 * FOUR_STARTS.finalist_block
    return Traffic(
        order=np.array([int(p.cluster) for p in itertools.islice(prompts, enough)]),
        kinds=np.array([kinds.index(t.kind) for t in templates]),
        weights=np.array([t.weight for t in templates]),
    )


def terms_of(asked: Study, starts: int = 1) -> Terms:
    """Return the terms of the first finalist."""
    return Terms(alpha=ALPHA, visits=visits(asked), starts=starts)


def prove(
    asked: Study,
    world: World,
    rng: np.random.Generator,
    rhythm: Rhythm = FOUR_STARTS,
    limit: int = LIMIT,
) -> Proof:
    """Return what the proof of the first finalist comes to, as `workflow.confirm` takes it.

    Blocks are as long as there, a PASS is looked for after each, a FAIL after each late request.
    """
    terms = terms_of(asked, rhythm.starts)
    now = measurement(asked, {}, None, (), terms=terms)
    block, samples, late, chances, blocks = world(rng), list[Sample](), [], [], 0
    while not (blocks and _over(asked, now, terms, limit)):
        due = turn(now, Sent(len(samples), blocks), _done(rhythm), terms, rhythm)
        drew, before, blocks = block(due.finalist), len(samples), blocks + 1
        samples += as_samples(drew, samples)
        chances += drew.chance.tolist()
        late += (np.flatnonzero(drew.late) + before).tolist()
        end = _failed_at(asked, samples, late, before, terms)
        del samples[end:], chances[end:]
        now = _look(asked, samples, terms, now)
    return Proof(now, sum(chances) / len(chances))


def in_full(asked: Study, found: Measurement) -> Measurement:
    """Return everything that is said about the samples of a proof."""
    return measurement(asked, {}, None, found.samples, terms=terms_of(asked, FOUR_STARTS.starts))


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


def _look(asked: Study, samples: Sequence[Sample], terms: Terms, last: Measurement) -> Measurement:
    """Return the measurement; while a target is open, and no answers count, of targets alone."""
    certificates = {slo: certificate(asked, slo, samples, terms) for slo in asked.slos}
    if asked.guard.asks or all(c.verdict != "UNDECIDED" for c in certificates.values()):
        return measurement(asked, {}, None, samples, terms=terms)
    return replace(last, samples=tuple(samples), certificates=certificates)


def _failed_at(
    asked: Study, samples: Sequence[Sample], late: Sequence[int], before: int, terms: Terms
) -> int:
    """Return after how many samples a target has failed, those in flight included; else all.

    `late`: the places of all late ones, `before` how many have been looked at already.
    """
    alone = asked.workload.load == Load()
    for count, place in enumerate(late if asked.slos else (), start=1):
        if place < before or (alone and not could_fail(count, place + 1)):
            continue
        if certificate(asked, P99, samples[: place + 1], terms).verdict == "FAIL":
            return place + asked.workload.load.concurrency
    return len(samples)


def could_fail(late: int, n: int) -> bool:
    """Tell whether any bet on a higher late rate could have reached the bar; spares looks.

    The likelihood ratio of the share seen to 1 % is the largest that there is.
    """
    share, bound = late / n, 1 - P99.quantile
    rest = (1 - share) * math.log((1 - share) / (1 - bound)) if late < n else 0.0
    return share > bound and n * (share * math.log(share / bound) + rest) >= math.log(1 / ALPHA)


def _over(asked: Study, now: Measurement, terms: Terms, limit: int) -> bool:
    templates = len(asked.workload.part(held_out=True))
    told = now.verdict != "UNDECIDED" or guard_exhausted(now, templates, terms.visits)
    return told or now.n >= limit


def _done(rhythm: Rhythm) -> Sent:
    """Return a baseline that has had all its blocks."""
    return Sent(rhythm.baseline_requests, rhythm.baseline_blocks)
