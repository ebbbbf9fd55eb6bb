"""A machine that changes its pace is found, and one that is only noisy seldom is."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tuner.stats.noise import Drift, drift
from tuner.stats.quantiles import quantile


def median(values: np.ndarray) -> float:
    """Return the median latency."""
    return quantile(values, 0.5)


def found(blocks: list[np.ndarray]) -> Drift:
    """Return a drift that could be judged."""
    result = drift(blocks, median)
    assert result is not None
    return result


def drifting(blocks: list[np.ndarray], whole: float) -> list[np.ndarray]:
    """Let blocks become slower step by step, the last one by the factor `whole`."""
    steps = np.linspace(0, math.log(whole), len(blocks))
    return [block * math.exp(step) for block, step in zip(blocks, steps, strict=True)]


@pytest.mark.parametrize("count", [4, 7])
@pytest.mark.parametrize("between", [0.0, 0.1])
def test_noise_is_seldom_taken_for_drift(
    count: int, between: float, rng: np.random.Generator, worlds
) -> None:
    """Without a trend at most about one run in ten is said to have one."""
    alarms = sum(found(worlds.blocks(rng, count, 20, between)).beyond_chance for _ in range(40))

    assert alarms <= 8  # more at a chance of 8 % come in 1 % of such tests


@pytest.mark.parametrize("whole", [1.5, 1 / 1.5])
def test_a_clear_drift_is_found_with_its_size(
    whole: float, rng: np.random.Generator, worlds
) -> None:
    """A machine that becomes half as slow again, or as fast, is found nearly always."""
    runs = [found(drifting(worlds.blocks(rng, 6, 50, 0.02), whole)) for _ in range(30)]

    assert sum(run.beyond_chance for run in runs) >= 28
    assert np.median([run.ratio for run in runs]) == pytest.approx(whole, rel=0.03)
    assert {run.blocks for run in runs} == {6}


def test_a_small_drift_is_nothing_even_where_it_is_orderly() -> None:
    """What lies below the least change is not reported, however clear its order is."""
    result = found(drifting([np.full(20, 0.1)] * 6, 1.02))

    assert result.p < 0.01
    assert result.chance == 0.03
    assert not result.beyond_chance


def test_a_step_down_and_up_is_no_trend() -> None:
    """One disturbed block in the middle is no drift."""
    assert not found([np.full(20, level) for level in (0.1, 0.1, 0.2, 0.1, 0.1)]).beyond_chance


def test_equal_levels_have_no_order() -> None:
    """Constant latencies give a ratio of one and a p of one, not an undefined one."""
    assert found([np.full(9, 0.1)] * 4) == Drift(1.0, 1.0, 0.03, 4)


@pytest.mark.parametrize("bad", [math.inf, 0.0])
def test_without_levels_nothing_can_be_said(bad: float) -> None:
    """A block of failures has no level, and neither has one of answers without a time."""
    assert drift([np.full(9, 0.1)] * 4 + [np.full(9, bad)], median) is None


@pytest.mark.parametrize("blocks", [[[0.1]] * 3, [[0.1]] * 4 + [[]]])
def test_too_little_data_is_an_error(blocks: list[list[float]]) -> None:
    """Three blocks in order come by chance too often; an empty one says nothing."""
    with pytest.raises(ValueError, match="block"):
        drift(blocks, median)


blocks_of_latencies = st.lists(
    st.lists(st.floats(0.01, 10.0), min_size=1, max_size=6), min_size=4, max_size=7
)


@settings(max_examples=20)
@given(blocks=blocks_of_latencies, scale=st.sampled_from([0.25, 4.0]))
def test_only_ratios_count(blocks: list[list[float]], scale: float) -> None:
    """In another unit of time the drift is the same."""
    one = found([np.array(b) for b in blocks])
    other = found([np.array(b) * scale for b in blocks])

    assert other.ratio == pytest.approx(one.ratio, rel=1e-6)
    assert other.chance == pytest.approx(one.chance, rel=1e-6)


@settings(max_examples=20)
@given(blocks=blocks_of_latencies)
def test_time_turned_round_turns_the_ratio(blocks: list[list[float]]) -> None:
    """A run read backwards has the inverse trend."""
    forth = found([np.array(b) for b in blocks])
    back = found([np.array(b) for b in reversed(blocks)])

    assert back.ratio == pytest.approx(1 / forth.ratio, rel=1e-6)
    assert back.p == pytest.approx(forth.p)


levels = st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.4, 0.7, 1.1, 1.3]), min_size=4, max_size=20)


@given(levels=levels | st.permutations([0.1 * n for n in range(1, 9)]))
def test_the_trend_is_that_of_theil_sen_and_kendall(levels: list[float]) -> None:
    """Slope and chance are those that scipy.stats gives, with ties and without."""
    result = found([np.array([level]) for level in levels])

    logs, places = np.log(levels), np.arange(len(levels))
    slope = stats.theilslopes(logs, places).slope
    assert math.log(result.ratio) == pytest.approx(slope * (len(levels) - 1), abs=1e-9)
    p = stats.kendalltau(places, logs).pvalue
    assert result.p == (1.0 if math.isnan(p) else pytest.approx(p, rel=1e-9))
