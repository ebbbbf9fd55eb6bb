from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.stats.quantiles import Bound
from tuner.stats.shares import (
    answers_needed,
    evidence_above,
    judge_share,
    share_bounds,
    show_above,
)

SHARES = st.lists(st.floats(0, 1), min_size=1, max_size=60)


@given(SHARES, st.floats(0, 1), st.floats(0, 1))
def test_evidence_falls_as_the_floor_rises(values: list[float], one: float, other: float) -> None:
    """What is shown above a floor is shown above every lower one."""
    low, high = sorted((one, other))
    slack = 1 + 1e-9
    assert (evidence_above(values, high) <= evidence_above(values, low) * slack).all()


@given(SHARES)
def test_nothing_is_shown_of_what_the_values_contradict(values: list[float]) -> None:
    """The bounds contain the mean and lie in [0, 1]; both sides are mirror images."""
    found = share_bounds(values)
    mirrored = share_bounds(1 - np.array(values))
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.value == pytest.approx(np.mean(values), abs=1e-8)
    assert found.low == pytest.approx(1 - mirrored.high, abs=1e-7)


def test_a_fair_game_wins_nothing_on_average() -> None:
    """At the floor the e-value of one bet has mean 1 over the outcomes, below it less."""
    for floor in (0.1, 0.5, 0.95):
        win, lose = evidence_above([1.0], floor)[0], evidence_above([0.0], floor)[0]
        assert floor * win + (1 - floor) * lose == pytest.approx(1)
        assert 0.9 * floor * win + (1 - 0.9 * floor) * lose < 1


def test_bounds_are_where_the_tests_change_their_mind() -> None:
    """Just below `low` the mean is shown to be above; just above it no longer."""
    values = np.tile([1.0, 1.0, 1.0, 0.5], 40)
    low = share_bounds(values, 0.9).low
    assert show_above(values, low - 1e-6, 0.05)
    assert not show_above(values, low + 1e-6, 0.05)


@pytest.mark.parametrize("share", [0.5, 0.95])
def test_shares_at_the_floor_are_rarely_judged(share: float, rng: np.random.Generator) -> None:
    """At the floor, and looking after each value, at most 5 % PASS and 5 % FAIL."""
    runs = [(rng.random(400) < share) * 1.0 for _ in range(500)]
    for values, floor in ((runs, share), ([1 - r for r in runs], 1 - share)):
        ever = [(evidence_above(r, floor) >= 20).any() for r in values]
        assert 0 < np.mean(ever) < 0.07


@pytest.mark.parametrize(("share", "verdict"), [(0.995, "PASS"), (0.7, "FAIL")])
def test_clear_shares_are_judged(share: float, verdict: str, rng: np.random.Generator) -> None:
    """Well above or below its floor a share is judged within 300 clusters."""
    runs = [(rng.random(300) < share) * 1.0 for _ in range(50)]
    assert np.mean([judge_share(r, 0.95, 0.05) == verdict for r in runs]) > 0.9


def test_few_perfect_clusters_leave_a_high_floor_undecided() -> None:
    """A floor of 95 % takes 86 perfect clusters (58 for a bet that knew)."""
    assert judge_share(np.ones(85), 0.95) == "UNDECIDED"
    assert judge_share(np.ones(86), 0.95) == "PASS"


def test_a_floor_of_zero_asks_for_nothing() -> None:
    """Every share reaches 0, and none can be shown above 1."""
    assert judge_share([0.0], 0.0) == "PASS"
    assert judge_share(np.ones(999), 1.0) == "UNDECIDED"
    assert np.isinf(evidence_above([0.0], -0.1)).all()


def test_no_answers_decide_nothing() -> None:
    """Nothing asked, nothing shown."""
    assert share_bounds([]) == Bound(None, None, None)
    assert judge_share([], 0.5) == "UNDECIDED"


@given(SHARES, st.data())
def test_equal_weights_change_nothing_but_the_stakes(
    values: list[float], data: st.DataObject
) -> None:
    """The weighted mean lies within its bounds, and weights of 1 are no weights."""
    weights = [data.draw(st.floats(0.1, 1)) for _ in values]
    found = share_bounds(values, weights=weights)
    assert found.low <= found.value <= found.high
    assert found.value == pytest.approx(np.average(values, weights=weights), abs=1e-8)
    assert share_bounds(values, weights=np.ones(len(values))) == share_bounds(values)


@pytest.mark.parametrize("heavy", [0.2, 0.5])
def test_the_weighted_share_at_the_floor_is_rarely_judged(
    heavy: float, rng: np.random.Generator
) -> None:
    """Heavy templates that are wrong and light ones that are right: the traffic's share counts."""
    truth, found = (1 - heavy) / (1 - heavy + 10 * heavy), []
    for _ in range(300):
        is_heavy = rng.random(400) < heavy
        weights = np.where(is_heavy, 1.0, 0.1)
        found.append(judge_share(~is_heavy * 1.0, truth, 0.05, weights))
    assert found.count("PASS") / 300 < 0.08
    assert found.count("FAIL") / 300 < 0.08


def test_weights_lie_above_zero_and_up_to_one() -> None:
    """A weight is a share of the heaviest one."""
    for wrong in ([0.0], [2.0], [float("nan")]):
        with pytest.raises(ValueError, match="weights"):
            judge_share([1.0], 0.5, 0.05, wrong)


@pytest.mark.parametrize("values", [[1.1], [-0.1], [float("nan")]])
def test_values_outside_the_unit_interval_are_refused(values: list[float]) -> None:
    """Bets are only fair on values in [0, 1]."""
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        show_above(values, 0.5, 0.05)


def test_impossible_levels_are_refused() -> None:
    """Alpha lies strictly between 0 and 1, and a floor is a number."""
    with pytest.raises(ValueError, match="alpha"):
        show_above([1.0], 0.5, 1.0)
    with pytest.raises(ValueError, match="floor"):
        show_above([1.0], float("nan"), 0.5)


@pytest.mark.parametrize(("share", "floor"), [(1.0, 0.97), (0.95, 0.85), (0.6, 0.5)])
def test_what_a_floor_takes_is_foreseen(
    share: float, floor: float, rng: np.random.Generator
) -> None:
    """The median number of answers to a PASS lies within a third of what was foreseen."""
    taken = []
    for _ in range(60):
        reached = evidence_above(rng.random(4000) < share, floor) >= 40
        taken.append(int(reached.argmax()) + 1 if reached.any() else 4000)

    assert float(np.median(taken)) == pytest.approx(answers_needed(share, floor, 0.025), rel=0.35)


def test_a_floor_that_is_not_met_takes_for_ever() -> None:
    """A share at its floor, below it or unknown is never shown to lie above."""
    assert answers_needed(0.5, 0.5) == answers_needed(0.4, 0.5) == math.inf
    assert answers_needed(None, 0.5) == math.inf
