"""The budget of a proof: how many requests, over how many starts, and what that costs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.search.test_trial import STUDY
from tuner.search.budget import (
    SHORTLIST,
    Pace,
    expected_pace,
    in_flight,
    plan,
    price,
    proof_requests,
    rhythm,
    strands,
)
from tuner.spec.space import Choices, Range
from tuner.spec.study import Study
from tuner.spec.values import Claim, Load

PACE = Pace(0.4, 1.0)


def under(load: Load, claim: Claim | None = None) -> Study:
    """Return the study under a load."""
    workload = replace(STUDY.workload, load=load)
    return replace(STUDY, workload=workload, claim=claim or Claim())


@pytest.mark.parametrize("concurrency", [1, 8, 64])
def test_a_proof_takes_as_long_at_any_concurrency(concurrency: int) -> None:
    """What is in flight together counts as one, and comes by as much faster."""
    study = under(Load(concurrency=concurrency))

    assert proof_requests(study, 0.025) == 409 * concurrency
    assert proof_requests(study, 0.025) * expected_pace(study).request_s == pytest.approx(409 * 0.4)
    apart = replace(study, claim=Claim(in_flight="apart"))
    assert proof_requests(apart, 0.025) == 409


@pytest.mark.parametrize(("rate", "count"), [(0.01, 1), (1.0, 3), (2.0, 3), (25.0, 17)])
def test_an_open_loop_has_in_flight_what_littles_law_says(rate: float, count: int) -> None:
    """The rate times the time of an answer that just meets its target, and more at most times."""
    study = under(Load(rate=rate))

    assert in_flight(study) == pytest.approx(rate * 0.4)
    assert strands(study) == pytest.approx(count, abs=1)
    assert expected_pace(study).request_s == pytest.approx(1 / rate)


@pytest.mark.parametrize(("starts", "blocks", "size"), [(None, 4, 100), (8, 8, 50), (1, 1, 400)])
def test_a_proof_rests_on_as_many_starts_as_are_asked_for(
    starts: int | None, blocks: int, size: int
) -> None:
    """Its requests are divided by them, and the price says so beforehand."""
    study = under(Load(), Claim(starts=starts))
    found = rhythm(study, PACE)

    assert (found.starts, found.finalist_blocks, found.finalist_block) == (blocks, blocks, size)
    assert price(study, PACE).starts == blocks


def test_blocks_hold_several_waves_of_what_is_in_flight() -> None:
    """With many in flight also the baseline's blocks are long enough to see the load."""
    found = rhythm(under(Load(concurrency=64)), PACE)

    assert found.finalist_block == 100 * 64
    assert found.baseline_block == 4 * 64


def test_a_typical_finalist_takes_more_requests_than_a_flawless_one() -> None:
    """At 0.2 % late a PASS takes about twice as many requests."""
    found = price(under(Load()), PACE)

    assert found.requests == 409
    assert 1.8 < found.requests_typical / found.requests < 2.3
    assert found.seconds == pytest.approx(409 * 0.4 + 4 * 1.0)


@pytest.mark.parametrize("values", [1, 3, 7])
def test_a_plan_promises_no_more_trials_than_a_space_has(values: int) -> None:
    """A small space is screened in less than the time for it, with fewer starts."""
    space = {"a": Choices(tuple(range(values))), "b": Choices((1, 2))}
    small = plan(replace(STUDY, space=space, budget_s=3600.0), PACE)
    large = plan(replace(STUDY, space={"a": Range(0.0, 1.0)}, budget_s=3600.0), PACE)

    assert small.trials == 2 * values < large.trials
    assert small.screening_s == pytest.approx(2 * values * small.trial_s)
    assert small.restarts < large.restarts
    assert large.screening_s == large.search_s == small.search_s


def test_a_plan_expects_few_starts_where_they_are_dear() -> None:
    """Candidates share them; what they take is said, and is never more than the budget."""
    study = replace(STUDY, space={"a": Range(0.0, 1.0)}, budget_s=7200.0)
    dear, cheap = plan(study, Pace(0.4, 60.0)), plan(study, Pace(0.4, 1.0))
    proof = dear.rhythm.baseline_blocks + dear.rhythm.finalist_blocks

    assert dear.restarts - SHORTLIST - proof == pytest.approx(dear.trials / 4, abs=1)
    assert dear.restarting_s == dear.restarts * 60.0
    assert cheap.restarts > cheap.trials
    assert plan(study, Pace(0.4, 3600.0)).restarting_s == study.budget_s
