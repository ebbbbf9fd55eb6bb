"""Point estimates of a trial, their scales, and who becomes a finalist."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.guard.test_classify import sample
from tuner.evaluate.estimates import requests_per_s, tokens_per_s
from tuner.search.budget import Pace, plan
from tuner.search.choose_finalists import (
    WORTH_A_LOOK,
    WORTH_A_PROOF,
    choose_finalists,
    promise,
    rank,
)
from tuner.search.error import ALPHAS, BASELINE_ALPHA
from tuner.search.provable import provable_drop, provable_floor
from tuner.search.trial import (
    MARGIN,
    Trial,
    chance,
    hopeless,
    outraced,
    value,
    violations,
)
from tuner.spec.requests.workload import Template, Workload
from tuner.spec.space import Range
from tuner.spec.study import Study
from tuner.spec.values import Guard, GuardClass, Sample, Slo

SLO = Slo("e2e", 0.99, 0.5)
TEMPLATES = tuple(Template(str(i), (), None, "a") for i in range(400))
STUDY = Study(
    "s", "fake", "default", Workload(TEMPLATES), slos=(SLO,),
    guard=Guard(0.9, 0.5, 0.02), objective="correct", file=str(Path("s.yaml")),
)  # fmt: skip


def served(ms: float, guard: GuardClass = "correct", **changes: Any) -> Sample:
    """Return a sample that took so many milliseconds."""
    return sample("x", last_ns=int(ms * 1e6), guard=guard, **changes)


def trial(samples: list[Sample], number: int = 0, **candidate: Any) -> Trial:
    """Return a complete trial of samples."""
    found = violations(STUDY, samples, 0.3)
    return Trial(number, candidate, "sampler", "complete", None, tuple(samples), found,
                 value(STUDY, samples))  # fmt: skip


def test_violations_are_of_one_scale() -> None:
    """Twice the target is log 2 and the margin; a missing share is what a proof would miss."""
    slow = trial([served(1000, "wrong_fields")] * 20)

    assert slow.violations[str(SLO)] == pytest.approx(math.log(2 * MARGIN))
    assert slow.violations["min_correct"] == pytest.approx(provable_floor(STUDY, 0.5))
    assert slow.violations["min_valid"] <= 0
    assert slow.violations["max_drop"] == pytest.approx(provable_drop(STUDY, 0.28))
    assert not slow.feasible


def test_what_only_just_keeps_a_floor_is_not_feasible() -> None:
    """Nothing is built upon answers that keep a floor by less than a proof can show."""
    near = [served(100)] * 18 + [served(100, "truncated")] * 2

    assert trial([served(100)] * 20).feasible
    assert not trial(near).feasible
    assert 0 < trial(near).violations["min_valid"] < 0.1


TPOT = replace(STUDY, slos=(Slo("tpot", 0.9, 0.05),), guard=Guard())


def test_an_unknown_pace_is_no_pace_and_meets_nothing() -> None:
    """Where nobody counted tokens, a bound on tpot is broken and a token rate is unknown."""
    samples = [served(100, output_tokens=None)] * 20
    found = replace(trial(samples), violations=violations(TPOT, samples, None))

    assert not found.feasible
    assert chance(TPOT, found) < 0.1
    assert tokens_per_s(samples) is None
    assert tokens_per_s([served(100, output_tokens=5), *samples]) is None
    assert requests_per_s(samples) == pytest.approx(200.0)  # twenty in the same 100 ms
    assert math.isnan(value(replace(STUDY, objective="throughput"), samples))


def test_answers_of_one_token_have_no_pace_and_are_not_late() -> None:
    """A bound on tpot says nothing about them, so that they keep it."""
    samples = [served(100, output_tokens=1)] * 20
    found = replace(trial(samples), violations=violations(TPOT, samples, None))

    assert found.feasible
    assert chance(TPOT, found) == pytest.approx(1.0)


@pytest.mark.parametrize("objective", ["throughput", "memory"])
def test_an_unknown_objective_is_never_the_best(objective: Any) -> None:
    """In the order of trials and of promises, what is unknown comes after all that is known."""
    study = replace(STUDY, objective=objective, guard=Guard())
    known = [replace(trial([served(100)] * 20, n, x=n), value=-5.0 * n) for n in range(3)]
    unknown = replace(trial([served(100)] * 20, 9, x=9), value=math.nan)
    mixed = [known[2], unknown, known[0], known[1]]

    assert [t.number for t in sorted(mixed, key=Trial.rank)] == [0, 1, 2, 9]
    assert [t.number for t in rank(study, mixed, {})] == [0, 1, 2, 9]


def test_failed_requests_count_as_late_and_stay_finite() -> None:
    """One failure of twenty breaks a p99, by an amount that a sampler can take."""
    broken = trial([served(100)] * 19 + [served(100, "error", outcome="error")])

    assert 0 < broken.violations[str(SLO)] < 10
    assert math.isfinite(broken.total_violation)


def test_a_trial_is_hopeless_when_a_quarter_was_late() -> None:
    """Five late ones of twenty planned are beyond rescue, four are not."""
    late, good = served(600), served(100)

    assert hopeless(STUDY, [good, late, late, late, late, late], 20)
    assert not hopeless(STUDY, [good, late, late, late, late], 20)


def test_a_trial_is_hopeless_when_its_answers_are() -> None:
    """Seven invalid answers of twenty cannot be made good."""
    assert hopeless(STUDY, [served(100, "truncated")] * 7, 20)
    assert not hopeless(STUDY, [served(100, "truncated")] * 6, 20)


def test_a_trial_is_cut_when_it_cannot_beat_the_best() -> None:
    """Its largest latency, or the wrong answers it gave, are already worse than the best's."""
    best = trial([served(200)] * 20)
    for_speed = replace(STUDY, objective="e2e_p99")

    assert outraced(for_speed, [served(240)], 20, best)
    assert not outraced(for_speed, [served(220)], 20, best)
    assert not outraced(for_speed, [served(240)], 20, None)
    assert outraced(STUDY, [served(100, "wrong_fields")] * 4, 20, best)
    assert not outraced(STUDY, [served(100, "wrong_fields")] * 3, 20, best)


def test_each_objective_prefers_what_it_names() -> None:
    """Of two trials the one that is better at the objective has the greater value."""
    fast = [served(100, "wrong_fields", output_tokens=10)] * 20
    right = [served(200, output_tokens=10)] * 20
    gib = 2**30

    def better(objective: Any, one: float, other: float) -> bool:
        study = replace(STUDY, objective=objective)
        return value(study, fast, int(one * gib)) > value(study, right, int(other * gib))

    assert better("e2e_p99", 1, 1)
    assert better("throughput", 1, 1)
    assert not better("correct", 1, 1)
    assert better("memory", 1, 2)
    assert not better("memory", 2, 1)


def test_faster_and_better_is_more_likely_to_be_proven() -> None:
    """The chance of meeting everything falls with latency and with errors."""
    fast = trial([served(300 + i) for i in range(20)])
    slow = trial([served(480 + i) for i in range(20)])
    worse = trial([served(300 + i, "wrong_fields" if i % 2 else "correct") for i in range(20)])

    assert chance(STUDY, fast) > chance(STUDY, slow)
    assert chance(STUDY, fast) > chance(STUDY, worse)


def test_who_is_hardly_better_than_a_good_baseline_is_unlikely_to_be_proven() -> None:
    """`max_drop` takes more pairs the less is gained, so a small gain promises little."""
    samples = [served(300 + i, "wrong_fields" if i % 4 == 0 else "correct") for i in range(60)]
    study = replace(STUDY, guard=Guard(0.9, 0.35, 0.02))

    def against(baseline: float) -> float:
        held = {"max_drop": provable_drop(study, baseline - 0.02) - 0.75}
        return chance(study, replace(trial(samples), violations=held))

    assert against(0.3) > 0.95 * against(0.0)
    assert against(0.7) < 0.5 * against(0.3)
    assert against(0.9) < 0.1 * against(0.3)


def test_among_equals_the_smallest_change_comes_first() -> None:
    """Two candidates that measured alike: the one nearer to the baseline is proven first."""
    samples = [served(300 + i) for i in range(20)]
    far, near = trial(samples, 1, a=1, b=1), trial(samples, 2, a=0, b=1)

    assert [t.number for t in choose_finalists(STUDY, [far, near], {"a": 0, "b": 0}, 2)] == [2, 1]


def test_among_equals_the_faster_comes_before_the_less_changed() -> None:
    """Of candidates that are right as often, one that is twice as fast is worth its changes."""
    near, far = trial([served(400)] * 20, 1, a=0, b=0), trial([served(200)] * 20, 2, a=1, b=1)
    nearly = trial([served(210)] * 20, 3, a=0, b=1)
    loose = replace(STUDY, slos=(Slo("e2e", 0.99, 2.0),), guard=Guard())

    found = choose_finalists(loose, [near, far, nearly], {"a": 0, "b": 0}, 3)
    assert [t.number for t in found] == [3, 2, 1]


def short_and_long(rng: np.random.Generator, n: int) -> list[Sample]:
    """Return answers of 16, 20 or 24 tokens whose p99 lies 8 % below the target."""
    found = []
    for tokens in rng.choice([16, 20, 24], n, p=[0.3, 0.5, 0.2]):
        factor = math.exp(rng.normal(0, 0.05))
        first, all_ = 128 * factor, (128 + 13 * (int(tokens) - 1)) * factor
        found.append(served(all_, first_ns=int(first * 1e6), output_tokens=int(tokens)))
    return found


def test_the_best_of_a_space_gets_its_look_and_its_proof() -> None:
    """One whose p99 lies 8 % below the target passes both thresholds four times in five."""
    rng, study = np.random.default_rng(1), replace(STUDY, guard=Guard())
    looks = [short_and_long(rng, 60) for _ in range(200)]
    passed = [
        chance(study, trial(look[:20])) >= WORTH_A_LOOK
        and chance(study, trial(look)) >= WORTH_A_PROOF
        for look in looks
    ]

    assert np.mean(passed) > 0.8


def test_where_all_promise_little_the_best_still_comes_first() -> None:
    """A target that hardly anything meets: the nearest to it comes before the least changed."""
    hopeless, near = ([served(ms + 10 * i) for i in range(20)] for ms in (600, 420))
    unchanged, changed = trial(hopeless, 1, a=0), trial(near, 2, a=1)

    assert 0 < promise(STUDY, changed) < 0.0005
    assert [t.number for t in rank(STUDY, [unchanged, changed], {"a": 0})] == [2, 1]


def test_pruned_trials_are_no_finalists() -> None:
    """What was cut is not proven, unless there is nothing else to show."""
    whole = trial([served(400)] * 20)
    cut = replace(trial([served(300)] * 20, 1), state="pruned")

    assert choose_finalists(STUDY, [cut, whole], {}, 3) == [whole]
    assert choose_finalists(STUDY, [cut], {}, 3) == [cut]


def test_a_lucky_short_look_is_no_finalist_beside_longer_ones() -> None:
    """Twenty good requests do not outrank sixty; without longer looks they would."""
    lucky = trial([served(200)] * 20, 1)
    longer = trial([served(350)] * 50 + [served(350, "wrong_fields")] * 10, 2)

    assert choose_finalists(STUDY, [lucky, longer], {}, 3) == [longer]
    assert choose_finalists(STUDY, [lucky], {}, 3) == [lucky]


def test_the_plan_keeps_time_for_the_proof() -> None:
    """Search, shortlist and proof share the budget, and the proof has about half of it."""
    planned = plan(replace(STUDY, space={"a": Range(0.0, 1.0)}))
    total = planned.search_s + planned.shortlist_s + planned.confirmation_s

    assert total == pytest.approx(STUDY.budget_s)
    assert 0.35 * STUDY.budget_s < planned.confirmation_s <= 0.55 * STUDY.budget_s
    assert planned.trials >= 15


def test_finalists_share_five_percent() -> None:
    """The errors that finalists may spend are fixed beforehand and sum to 5 %."""
    assert sum(ALPHAS) + BASELINE_ALPHA == pytest.approx(0.05)


SHARES = st.floats(0.0, 1.0)


@given(SHARES, SHARES, st.floats(0.0, 0.99), SHARES, st.integers(1, 60), st.integers(0, 60))
def test_a_chance_is_a_chance_whatever_the_guard_asks(
    valid: float, correct: float, drop: float, baseline: float, n: int, right: int
) -> None:
    """Floors near 1 and a baseline that is always right leave chances in [0, 1], and ranks."""
    study = replace(STUDY, guard=Guard(valid, correct, drop))
    samples = tuple(served(100, "correct" if i < right else "wrong_fields") for i in range(n))
    found = replace(
        trial(list(samples)),
        violations=violations(study, samples, baseline),
        value=value(study, samples),
    )

    assert 0 <= chance(study, found) <= 1
    assert choose_finalists(study, [found, replace(found, number=1)], {}, 2)


@given(SHARES)
def test_what_a_proof_needs_is_a_share_that_there_is(floor: float) -> None:
    """No floor and no drop asks for more than all answers, nor for less than itself."""
    assert floor <= provable_floor(STUDY, floor) <= 1
    assert floor <= provable_drop(STUDY, floor) <= 1


def test_beside_a_baseline_that_is_always_right_the_best_answers_rank_first() -> None:
    """Nobody can be shown to be better, yet who is always right promises more than who is not."""
    study = replace(STUDY, guard=Guard(0.97, 0.9, 0.02))

    def promised(wrong: int) -> float:
        samples = [served(100, "wrong_fields" if i < wrong else "correct") for i in range(20)]
        return promise(study, replace(trial(samples), violations=violations(study, samples, 1.0)))

    assert promised(0) > 5 * promised(1) > 0


def test_an_unknown_objective_is_worth_nothing() -> None:
    """A value that nobody measured ranks last instead of making every rank meaningless."""
    study = replace(STUDY, objective="memory")
    unknown = trial([served(100)] * 20, 1)
    unknown = replace(unknown, value=math.nan)
    known = replace(trial([served(100)] * 20, 2), value=-1.0)

    assert 0 < promise(study, unknown) < 1e-6 * promise(study, known)
    assert [t.number for t in rank(study, [unknown, known], {})] == [2, 1]
    assert min([unknown, known], key=Trial.rank) is known


def test_a_look_is_as_long_as_a_start_within_bounds() -> None:
    """Twenty requests where starts are cheap, a hundred where they are dear."""
    assert Pace(0.35, 1.5).look == 20
    assert Pace(0.007, 0.5).look == 71
    assert Pace(0.19, 45.0).look == 100
    assert Pace(0.007, 0.5, in_flight=64).look == 256
    assert Pace(0.007, 0.5).trial_s == pytest.approx(73 * 0.007)
    assert [Pace(0.35, s).second_look for s in (1.5, 10.5, 35.0)] == [40, 30, 20]


def test_a_longer_look_is_no_worse_for_being_longer() -> None:
    """A candidate's p99 is estimated alike from twenty requests and from a hundred."""
    rng = np.random.default_rng(1)
    short, long = (
        [trial([served(float(ms)) for ms in rng.lognormal(5, 0.2, n)]) for _ in range(200)]
        for n in (20, 100)
    )
    means = [np.mean([t.violations[str(SLO)] for t in looks]) for looks in (short, long)]

    assert means[0] == pytest.approx(means[1], abs=0.04)
