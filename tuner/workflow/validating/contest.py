"""A validation on its way: pairs of blocks until something follows, or the time is over."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce

import numpy as np

from tuner.evaluate.lateness import Terms
from tuner.evaluate.measured import Measured
from tuner.evaluate.measurement import Measurement, measurement
from tuner.evaluate.validation import (
    EACH,
    Agreement,
    Answers,
    Latency,
    Side,
    Targets,
    Validation,
    log_ratio,
    typical_ratio,
)
from tuner.guard.verdict import report
from tuner.search.budget import Pace, rhythm
from tuner.spec.study import Study
from tuner.spec.values import Guard, Metric, Prompt
from tuner.workflow.dueling.answers import answered, answers
from tuner.workflow.dueling.pairs import Contestant, Pair, fresh_prompts, measure_pair, pair_s
from tuner.workflow.validating.plan import block_of

MOST_FAILURES = 2
"""So often may a side fail to serve, before that decides."""


@dataclass(slots=True)
class Contest:
    """Two sides with their pairs by number; `margin` and `max_drop` are what B may lose.

    `lost` is the side that stopped serving, and `stopped` says how.
    """

    study: Study
    sides: Mapping[Side, Contestant]
    margin: float
    max_drop: float
    pairs: dict[int, dict[Side, Measured]]
    rng: np.random.Generator
    notes: Sequence[str] = ()
    agreement: Agreement | None = None
    stopped: str | None = None
    lost: Side | None = None
    _failures: Counter[Side] = field(default_factory=Counter)

    async def until_decided(self, note: Callable[[str], None]) -> Validation:
        """Measure pairs until a verdict stands or the time is over; return what was found."""
        n, now = block_of(self.study), self.found()
        prompts = fresh_prompts(self.study, self._asked())
        while not now.settled and self.lost is None and self._time_for(n):
            await self._measure(list(itertools.islice(prompts, n)))
            now = self.found()
            note(f"{_progress(now)}; {self._fitting(n)} more fit into the time")
        return now

    def found(self) -> Validation:
        """Return what the pairs show."""
        whole = [pair for pair in self.pairs.values() if _whole(pair)]
        measured = {side: self._measured(whole, side) for side in self.sides}
        return Validation(
            self._latency(whole, measured), self._targets(measured), self._answers(whole),
            measured, self.agreement, self.stopped, self.lost, self.notes,
        )  # fmt: skip

    def _measured(self, whole: Sequence[Pair[Side]], side: Side) -> Measurement:
        """Return all blocks of a side as one measurement."""
        pooled = reduce(Measured.plus, (pair[side] for pair in whole), Measured())
        terms = Terms(EACH, rhythm(self.study, self.pace()).starts)
        return measurement(self.study, self.sides[side].candidate, pooled, terms)

    def _latency(
        self, whole: Sequence[Pair[Side]], measured: Mapping[Side, Measurement]
    ) -> Latency:
        metric, scheduled = metric_of(self.study), self.study.workload.load.open_loop
        gains = [log_ratio(p["b"].counted, p["a"].counted, metric, scheduled) for p in whole]
        slow = [f"{s.upper()}: {m.saturated}" for s, m in measured.items() if m.saturated]
        return Latency(
            metric, typical_ratio(gains), len(gains), self.margin, next(iter(slow), None)
        )

    def _targets(self, measured: Mapping[Side, Measurement]) -> Targets:
        if not self.study.slos:
            return Targets()
        return Targets(measured["a"].latency_verdict, measured["b"].latency_verdict)

    def _answers(self, whole: Sequence[Pair[Side]]) -> Answers:
        workload = self.study.workload
        found = report(
            answers(whole, "b"), Guard(max_drop=self.max_drop), alpha=EACH,
            visits=workload.visits, baseline=answers(whole, "a"),
        )  # fmt: skip
        verdict, there = found.verdicts["max_drop"], workload.proof_templates
        return Answers(
            found.difference, verdict, found.pairs, there, self.max_drop, workload.judged
        )

    def _asked(self) -> int:
        """Return how many prompts were asked."""
        return sum(max(len(m.counted) for m in p.values()) for p in self.pairs.values())

    def _time_for(self, n: int) -> bool:
        """Tell whether another pair may begin; the first one shows how long it takes."""
        left_s = min(who.session.left_s() for who in self.sides.values())
        return left_s > (pair_s(self.pace(), len(self.sides), n) if self.pairs else 0.0)

    def _fitting(self, n: int) -> int:
        """Return about how many more pairs fit into the time, at the pace so far."""
        left_s = max(min(who.session.left_s() for who in self.sides.values()), 0.0)
        return int(left_s / max(pair_s(self.pace(), len(self.sides), n), 1e-6))

    def pace(self) -> Pace:
        """Return the slower of the sides' paces."""
        return max(
            (who.session.pace() for who in self.sides.values()), key=lambda pace: pace.request_s
        )

    async def _measure(self, prompts: list[Prompt]) -> None:
        number = max(self.pairs, default=0) + 1
        pair = self.pairs.setdefault(number, {})

        def take(side: Side, block: Measured) -> bool:
            if block.failed and self.sides[side].session.left_s() > 0:
                self._note_failure(side, block.failed.splitlines()[0])
            if block.counted:
                pair[side] = block
            return self.lost is None

        await measure_pair(self.sides, number, prompts, self.rng, take)

    def _note_failure(self, side: Side, why: str) -> None:
        self._failures[side] += 1
        if self._failures[side] >= MOST_FAILURES:
            self.lost = side
            self.stopped = f"{side.upper()} did not serve {self._failures[side]} times ({why})"


def metric_of(study: Study) -> Metric:
    """Return the latency that is compared: that of the study's first target, else the whole."""
    return study.slos[0].metric if study.slos else "e2e"


def _whole(pair: Pair[Side]) -> bool:
    """Tell whether both sides answered the same prompts, and none was cut off."""
    if not (answered(pair, "a") and answered(pair, "b")):
        return False
    a, b = ({s.prompt_id for s in pair[side].counted} for side in ("a", "b"))
    return a == b


def _progress(now: Validation) -> str:
    ratio, shown = now.latency.ratio, now.answers
    value = "unknown" if ratio.value is None else f"{ratio.value - 1:+.1%}"
    targets = f", targets: {now.targets.outcome}" if now.targets.outcome else ""
    return (
        f"pair {now.latency.pairs}: {now.latency.metric} of B beside A {value} "
        f"({now.latency.outcome}){targets}, answers on {shown.pairs} templates: {shown.outcome}"
    )
