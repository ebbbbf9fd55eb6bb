"""Whose turn it is in a proof: no side is asked for what decides nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.guard.test_classify import sample
from tuner.evaluate.lateness import Terms
from tuner.evaluate.measured import Measured
from tuner.evaluate.measurement import Measurement, measurement
from tuner.search.budget import Rhythm
from tuner.spec.requests.workload import Workload
from tuner.spec.study import Study
from tuner.spec.values import Guard, Sample, Slo
from tuner.workflow.tune.proving.turns import (
    Sent,
    drop_alone_is_open,
    floor_stays_open,
    guard_exhausted,
    pairs_missing,
    turn,
)

RHYTHM = Rhythm(100, 4, 50, 4)
STUDY = Study(
    "s", "fake", "default", Workload(()), slos=(Slo("e2e", 0.99, 0.5),),
    guard=Guard(0.9, 0.5, 0.02), file="s.yaml",
)  # fmt: skip
TERMS = Terms(alpha=0.025)


def answered(count: int, starts: int = 4, ms: float = 100.0, wrong: int = 0) -> tuple[Sample, ...]:
    """Return samples of different prompts, the first of them `wrong`."""
    return tuple(
        replace(
            sample("x", last_ns=int(ms * 1e6)),
            prompt_id=f"p{i}", cluster=f"p{i}", engine_start=i * starts // count,
            guard="wrong_fields" if i < wrong else "correct",
        )
        for i in range(count)
    )  # fmt: skip


def seen(ours: int, theirs: int, **changes: Any) -> Measurement:
    """Return a finalist's measurement beside a baseline that is always right; 0 for none."""
    terms = replace(TERMS, baseline=answered(theirs) if theirs else None)
    return measurement(STUDY, {"a": 1}, Measured(None, tuple(answered(ours, **changes))), terms)


def test_the_baseline_gets_no_more_than_planned_while_the_finalist_is_open() -> None:
    """Beside a latency that is not shown yet, the baseline has its blocks and no others."""
    now = seen(200, 200)

    assert not drop_alone_is_open(now)
    assert turn(now, Sent(200, 2), Sent(100, 2), TERMS, RHYTHM).baseline == 50
    assert turn(now, Sent(200, 2), Sent(200, 4), TERMS, RHYTHM).baseline == 0
    assert turn(now, Sent(200, 2), Sent(200, 4), TERMS, RHYTHM).finalist > 0


def test_a_finalist_with_nothing_left_to_show_rests_while_pairs_are_missing() -> None:
    """With latency and floors shown, the baseline catches up beyond what was planned for it."""
    now = seen(450, 200)

    assert drop_alone_is_open(now)
    assert turn(now, Sent(450, 4), Sent(200, 4), TERMS, RHYTHM) == turn(
        now, Sent(450, 9), Sent(200, 9), TERMS, RHYTHM
    )
    due = turn(now, Sent(450, 4), Sent(200, 4), TERMS, RHYTHM)
    assert due.finalist == 0
    assert due.baseline == 200


@pytest.mark.parametrize("ahead", [0, 30])
def test_level_sides_go_on_together(ahead: int) -> None:
    """Once both answered the same prompts, both get what the pairs still take."""
    now = seen(450, 450, wrong=2)
    due = turn(now, Sent(450, 5), Sent(450 + ahead, 6), TERMS, RHYTHM)

    assert drop_alone_is_open(now)
    assert due.finalist > 0
    assert due.baseline == max(due.finalist - ahead, 0)
    assert due.finalist == min(max(int(pairs_missing(now)), 20), 200)


def test_pairs_decide_what_is_equal_nearly_always() -> None:
    """Two sides that are always right are shown equal within 2 points by some 250 pairs."""
    assert seen(450, 240).guard.verdicts["max_drop"] == "UNDECIDED"
    assert seen(450, 290).guard.verdicts["max_drop"] == "PASS"
    assert 5 < pairs_missing(seen(450, 240)) < 30


def test_a_guard_is_exhausted_only_when_both_sides_answered_every_template() -> None:
    """While the baseline lacks answers the comparison goes on; after that it cannot."""
    assert not guard_exhausted(seen(450, 200), 450)
    assert not guard_exhausted(seen(450, 200), 500)
    assert guard_exhausted(seen(450, 450, wrong=2), 450)
    assert not guard_exhausted(seen(450, 450, ms=600.0), 450)


def test_a_floor_that_no_answer_is_left_to_show_stays_open() -> None:
    """With each template asked, more requests say nothing of a floor, whatever the latencies do."""
    near = seen(120, 50, wrong=50)

    assert near.guard.verdicts["min_correct"] == "UNDECIDED"
    assert floor_stays_open(near, 120)
    assert not floor_stays_open(near, 240)
    assert not floor_stays_open(seen(120, 50), 120)
