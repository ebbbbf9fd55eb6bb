"""What is tried: in each row requests hang together in one way, and something is promised."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from bench.dependent import capacity, judge
from bench.dependent.draws import (
    Traffic,
    World,
    bursts,
    independent,
    joined,
    sampled_templates,
    starts,
    templates,
    true_quantile,
    turning,
)
from bench.dependent.judge import FOUR_STARTS, TWO_STARTS, Proof, prove, study
from bench.dependent.stalls import EQUAL, UNLIKE, closed, opened
from tuner.evaluate.lateness import Terms
from tuner.search.budget import Pace
from tuner.spec.study import Study
from tuner.spec.values import Claim, Guard, Load, Verdict

LATE = 0.01
"""The late rate that p99 <= target excludes, and the floor of answers in these rows."""
FLOOR = 0.5

HIGHEST, CARRIED = 8, 2
"""Where a search for capacity ends, and what the server carries in truth."""


@dataclass(frozen=True, slots=True)
class Told:
    """What one run was told: the verdict, and whether that or something beside it was wrong."""

    verdict: Verdict
    wrong: bool


Trial = Callable[[np.random.Generator], Told]


@dataclass(frozen=True, slots=True)
class Row:
    """One way in which requests hang together.

    `promised` is the largest share of runs that may be told something wrong, None where no
    words cover it; `runs` is how many are drawn, as a share of what `--runs` says.
    """

    part: str
    name: str
    trial: Trial
    promised: float | None = judge.ALPHA
    runs: float = 1.0


def rows() -> list[Row]:
    """Return all rows."""
    parts = (_templates, _starts, _in_flight, _joined, _weights, _after, _bounds, _capacity)
    return [row for part in parts for row in part()]


def _templates() -> Iterator[Row]:
    for count in (60, 200, 400, 1000, 5000):
        asked, bad = study([1.0] * count), -(-count // 100)
        name = f"{bad} of {count:,} templates always late"
        world = _some_late(judge.traffic(asked), bad, 1.0)
        yield _proof("templates", name, asked, world, runs=0.2 if count == 60 else 1.0)
    for count in (200, 1000, 5000):
        asked, bad = study([1.0] * count), count // 50
        name = f"{bad} of {count:,} templates late half the time"
        yield _proof("templates", name, asked, _some_late(judge.traffic(asked), bad, 0.5))
    for count in (400, 5000):
        asked = study([1.0] * count)
        name = f"{count:,} templates, each always late with a chance of 1 %"
        promised = judge.ALPHA if count > judge.LIMIT else None
        world = sampled_templates(judge.traffic(asked), LATE)
        yield _proof("templates", name, asked, world, promised=promised)


def _some_late(traffic: Traffic, count: int, chance: float) -> World:
    """Return a world in which so many templates are late, with this chance."""
    late = np.where(np.arange(traffic.kinds.size) < count, chance, 0.0)
    return templates(traffic, late, np.ones_like(late))


def _starts() -> Iterator[Row]:
    for count, pace in ((4, FOUR_STARTS), (2, TWO_STARTS)):
        for apart in (0.03, 0.05):
            name = f"{count} starts, pace {apart:.0%} apart, 1 % late over"
            for own, whose in ((count, "these"), (None, "all like them")):
                world = starts(LATE, apart, own)
                yield _proof("starts", f"{name} {whose}", study(), world, pace=pace)


def _in_flight() -> Iterator[Row]:
    for count in (1, 8, 64):
        asked = study(load=Load(concurrency=count))
        yield _proof("in flight", f"{count} in flight, stalls", asked, closed(count, LATE))
    asked = study(load=Load(concurrency=8))
    yield _proof(
        "in flight", "8 in flight, stalls, answers of unlike length", asked, closed(8, LATE, UNLIKE)
    )
    for mean in (1, 4):
        asked = study(load=Load(rate=mean / 0.4))
        yield _proof("in flight", f"open loop, {mean} in flight, stalls", asked, opened(mean, LATE))
    asked = study(load=Load(concurrency=8), claim=Claim(in_flight="apart"))
    name = "8 in flight, stalls, taken as independent"
    yield _proof("in flight", name, asked, closed(8, LATE), promised=None)
    world = bursts(LATE, 8)
    yield _proof("in flight", "1 in flight, bursts of 8 in a row", study(), world, promised=None)


def _joined() -> Iterator[Row]:
    eight = Load(concurrency=8)
    asked = study([1.0] * 200, load=eight)
    world = closed(8, 0.0, EQUAL, slow=_some_late(judge.traffic(asked), 2, 1.0))
    name = "2 of 200 templates always late, 8 in flight, answers of one length"
    yield _proof("joined", name, asked, world)
    asked, third = study([1.0] * 400, load=eight), 1 - (1 - LATE) ** (1 / 3)
    bad = _some_late(judge.traffic(asked), 4, 100 * third)
    world = closed(8, third, slow=joined(starts(third, 0.05, own=4), bad))
    name = "4 of 400 templates, 4 starts and stalls with 8 in flight, a third of the 1 % each"
    yield _proof("joined", name, asked, world)


def _weights() -> Iterator[Row]:
    asked = study([5.0] * 20 + [1.0] * 400)
    world = _some_late(judge.traffic(asked), 1, 1.0)
    yield _proof("weights", "one template with 1 % of the traffic always late", asked, world)
    for heavy in (10, 100):
        weights = np.repeat([6.0, 1.0], [heavy, 6 * heavy])
        asked = study(weights.tolist(), guard=Guard(min_correct=FLOOR), slos=())
        traffic = judge.traffic(asked)
        for whose, right in (
            ("light", weights == 1),
            ("heavy", weights == 6),
            ("half of either", np.arange(weights.size) % 2 == 0),
        ):
            world = templates(traffic, np.zeros(weights.size), right.astype(np.float64))
            name = (
                f"half of the traffic right: of {heavy} templates of weight 6 and {6 * heavy} of 1"
            )
            yield Row("weights", f"{name}, {whose}", _answers(asked, world), 2 * judge.ALPHA, 0.2)


def _answers(asked: Study, world: World) -> Trial:
    """Return a trial of answers whose share of the traffic is the floor: any verdict is wrong."""

    def trial(rng: np.random.Generator) -> Told:
        proof = prove(asked, world, rng)
        return Told(proof.found.verdict, wrong=proof.found.verdict != "UNDECIDED")

    return trial


def _after() -> Iterator[Row]:
    asked = study([1.0] * 1000, guard=Guard(min_correct=FLOOR))
    traffic = judge.traffic(asked)
    answers = templates(traffic, np.zeros(1000), np.full(1000, 0.57))
    world = turning(answers, timely=450, late=0.07)
    yield _proof("after a PASS", "7 % late from request 450 on, answers still open", asked, world)


def _bounds() -> Iterator[Row]:
    for late in (0.005, 0.008, 0.010, 0.015):
        yield Row("p99", f"interval at {late:.1%} late", _interval(late), 2 * judge.ALPHA, 0.4)


def _interval(late: float) -> Trial:
    """Return a trial that is told something wrong where the p99 lies outside its interval."""
    asked, world, true = study(), independent(late), true_quantile(late, judge.P99.quantile)

    def trial(rng: np.random.Generator) -> Told:
        found = judge.in_full(asked, prove(asked, world, rng))
        bound = found.quantiles["e2e"][judge.P99.quantile]
        inside = (bound.low or 0.0) <= true <= (bound.high or np.inf)
        return Told(found.verdict, wrong=not inside)

    return trial


def _capacity() -> Iterator[Row]:
    asked, terms = study(load=Load(concurrency=8)), Terms(alpha=0.05)

    def at_eight(rng: np.random.Generator) -> Told:
        found = capacity.level(asked, closed(8, LATE), rng, terms)
        return Told(found.verdict, wrong=found.met)

    def highest(rng: np.random.Generator) -> Told:
        found = capacity.search(
            lambda c: closed(c, LATE / 10 if c <= CARRIED else LATE), HIGHEST, rng
        )
        size = found.highest.size if found.highest else 0
        return Told("PASS" if size else "UNDECIDED", wrong=size > CARRIED)

    yield Row("capacity", "one load, 8 in flight, stalls", at_eight, 0.05, 0.2)
    yield Row(
        "capacity",
        f"the search up to {HIGHEST}, of which it carries {CARRIED}, stalls",
        highest,
        0.05,
        0.04,
    )


def _proof(
    part: str,
    name: str,
    asked: Study,
    world: World,
    *,
    pace: Pace = FOUR_STARTS,
    promised: float | None = judge.ALPHA,
    runs: float = 1.0,
) -> Row:
    """Return a row of proofs: wrong is a PASS of requests that were too likely to be late."""

    def trial(rng: np.random.Generator) -> Told:
        proof = prove(asked, world, rng, pace)
        return Told(proof.found.verdict, wrong=_wrong(proof))

    in_flight = asked.workload.load.concurrency
    dear = asked.workload.load.open_loop or asked.guard.asks or in_flight > 1
    share = 0.1 if in_flight > 8 else 0.3
    return Row(part, name, trial, promised, share if dear else runs)


def _wrong(proof: Proof) -> bool:
    return proof.found.verdict == "PASS" and proof.chance > LATE - 1e-9
