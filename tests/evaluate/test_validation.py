"""The verdict of a validation: what each part shows, and what follows from all."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.guard.test_classify import sample
from tuner.evaluate.validation import (
    ERROR,
    Answers,
    Latency,
    Outcome,
    Targets,
    log_ratio,
    overall,
    typical_ratio,
)
from tuner.spec.values import Sample, Verdict
from tuner.stats.quantiles import Bound

OUTCOMES: list[Outcome] = ["better", "not worse", "worse", "undecided"]


@given(st.lists(st.sampled_from(OUTCOMES), min_size=1))
def test_one_part_that_is_worse_decides_and_one_that_is_open_leaves_open(
    parts: list[Outcome],
) -> None:
    """Better takes one part that is, and none that is not shown to be as good."""
    found = overall(parts)

    assert (found == "worse") == ("worse" in parts)
    assert (found == "undecided") == ("undecided" in parts and "worse" not in parts)
    assert (found == "better") == ("better" in parts and {"worse", "undecided"}.isdisjoint(parts))


@pytest.mark.parametrize(
    ("low", "high", "outcome"),
    [
        (0.5, 0.96, "better"),
        (0.5, 0.98, "not worse"),  # faster, but within the noise floor
        (0.98, 1.02, "not worse"),
        (1.01, 1.02, "not worse"),  # slower, by less than the margin
        (0.9, 1.04, "undecided"),
        (1.04, 2.0, "worse"),
        (None, 0.9, "better"),
        (None, None, "undecided"),
        (1.04, None, "worse"),
    ],
)
def test_latency_stands_against_margin_and_noise_floor(
    low: float | None, high: float | None, outcome: Outcome
) -> None:
    """No gain below the noise floor is one."""
    latency = Latency("e2e", Bound(1.0, low, high), 10)

    assert latency.outcome == outcome
    assert dataclasses.replace(latency, invalid="the client was slow").outcome == "undecided"


def test_a_wider_margin_allows_more() -> None:
    """Ten percent slower may be good enough for who says so."""
    latency = Latency("e2e", Bound(1.05, 1.04, 1.06), 10)

    assert (latency.outcome, dataclasses.replace(latency, margin=0.1).outcome) == (
        "worse", "not worse",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("a", "b", "outcome"),
    [
        ("PASS", "FAIL", "worse"),
        ("FAIL", "PASS", "better"),
        ("PASS", "PASS", "not worse"),
        ("UNDECIDED", "PASS", "not worse"),
        ("FAIL", "FAIL", "not worse"),
        ("FAIL", "UNDECIDED", "not worse"),
        ("PASS", "UNDECIDED", "undecided"),
        ("UNDECIDED", "FAIL", "undecided"),
        (None, None, None),
    ],
)
def test_a_target_is_lost_only_where_a_meets_it(
    a: Verdict | None, b: Verdict | None, outcome: Outcome | None
) -> None:
    """Without a target it is no part."""
    assert Targets(a, b).outcome == outcome


def test_answers_are_better_where_their_difference_is_shown_to_be_above_zero() -> None:
    """Not worse takes the margin, and nothing else."""
    found = Answers(Bound(0.0, -0.04, 0.04), "PASS", 100, 200, 0.05, judged=True)

    assert (found.outcome, found.exhausted) == ("not worse", False)
    assert dataclasses.replace(found, difference=Bound(0.2, 0.1, 0.3)).outcome == "better"
    assert dataclasses.replace(found, verdict="FAIL").outcome == "worse"
    assert dataclasses.replace(found, verdict="UNDECIDED", pairs=200).exhausted


def answers(*ms: float) -> list[Sample]:
    """Return an answer to each prompt that took so long, infinite for one that failed."""
    found = []
    for number, took in enumerate(ms):
        failed = math.isinf(took)
        made = sample("{}", last_ns=None if failed else int(took * 1e6), prompt_id=str(number))
        found.append(dataclasses.replace(made, outcome="timeout" if failed else "ok"))
    return found


@pytest.mark.parametrize(
    ("ours", "theirs", "ratio"),
    [
        ([10, 200, 30], [20, 400, 60], 0.5),  # prompts differ in length, and are compared in pairs
        ([10, 20, math.inf], [10, 20, 30], 1.0),
        ([math.inf, math.inf, 30], [10, 20, 30], math.inf),
        ([10, math.inf], [10, math.inf], 1.0),
        ([10, 20], [math.inf, math.inf], 0.0),
    ],
)
def test_latencies_are_compared_prompt_by_prompt(
    ours: list[float], theirs: list[float], ratio: float
) -> None:
    """A failed request is infinitely late."""
    found = log_ratio(answers(*ours), answers(*theirs), "e2e", scheduled=False)

    assert math.exp(found) == pytest.approx(ratio)


def test_nothing_known_is_nan() -> None:
    """Other prompts are not compared."""
    assert math.isnan(log_ratio([], answers(10), "e2e", scheduled=False))
    assert typical_ratio([math.nan]) == Bound(None, None, None)


@pytest.mark.parametrize(
    ("true", "wrong"), [(1.03, "not worse"), (1.03, "worse"), (0.97, "better")]
)
def test_a_b_at_the_border_is_hardly_ever_judged_wrongly(true: float, wrong: Outcome) -> None:
    """Looking after each of sixty pairs, whose noise is skewed, in at most 5 % of runs."""
    rng, runs, found = np.random.default_rng(11), 150, 0
    for _ in range(runs):
        noise = rng.exponential(0.05, 60)
        gains = math.log(true) + noise - 0.05 * math.log(2)
        looks = (Latency("e2e", typical_ratio(gains[:n]), n) for n in range(5, 61, 3))
        found += any(look.outcome == wrong for look in looks)

    assert found <= ERROR * runs
