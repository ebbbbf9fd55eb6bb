from __future__ import annotations

import math

import numpy as np
import pytest

from tuner.stats.noise import level_ratio, noise_floor, ratio_interval
from tuner.stats.quantiles import Bound, quantile


def median(values: np.ndarray) -> float:
    """Return the median latency."""
    return quantile(values, 0.5)


def p90(values: np.ndarray) -> float:
    """Return the 90th percentile latency."""
    return quantile(values, 0.9)


@pytest.mark.parametrize("between", [0.0, 0.1])
def test_two_runs_of_one_candidate_rarely_differ_by_more(
    between: float, rng: np.random.Generator, worlds
) -> None:
    """On A/A data the ratio exceeds the floor in about 5 % of cases."""
    missed = 0
    for _ in range(80):
        floor = noise_floor(worlds.blocks(rng, 6, 60, between), p90, 360, rng, 60, least=0.0)
        one, other = (np.concatenate(worlds.blocks(rng, 6, 60, between)) for _ in range(2))
        missed += abs(math.log(p90(one) / p90(other))) > floor
    assert missed / 80 < 0.15


def test_the_floor_sees_what_differs_between_blocks(rng: np.random.Generator, worlds) -> None:
    """Blocks that differ raise the floor far above what their requests alone would."""
    floors = [
        noise_floor(worlds.blocks(rng, 6, 200, between), median, 1200, rng, 200, least=0.0)
        for between in (0.0, 0.3)
    ]
    assert floors[1] > 4 * floors[0] > 0


def test_the_floor_falls_with_the_requests_compared(rng: np.random.Generator, worlds) -> None:
    """Four times the requests about halve the noise."""
    blocks = worlds.blocks(rng, 8, 400, 0.0)
    few, many = (noise_floor(blocks, p90, n, rng, 300, least=0.0) for n in (200, 800))
    assert 1.4 < few / many < 2.9


def test_the_floor_has_a_floor(rng: np.random.Generator) -> None:
    """Constant latencies have no noise of their own: what remains is `least`."""
    blocks = [np.full(20, 0.5)] * 4
    assert noise_floor(blocks, median, 40, rng, 20) == 0.03
    assert noise_floor(blocks, median, 40, rng, 20, least=0.1) == 0.1


def test_failures_make_the_floor_infinite(rng: np.random.Generator) -> None:
    """Where the statistic is infinite in one half, or in both, no gain can be claimed."""
    assert noise_floor([np.full(20, math.inf)] * 4, median, 40, rng, 20) == math.inf
    mixed = [np.r_[np.full(10, 0.5), np.full(10, math.inf)]] * 4
    assert noise_floor(mixed, median, 40, rng, 50) == math.inf


@pytest.mark.parametrize(
    ("blocks", "n"), [([[1.0]] * 3, 5), ([[1.0]] * 4 + [[]], 5), ([[1.0]] * 4, 0)]
)
def test_too_little_data_has_no_floor(
    blocks: list[list[float]], n: int, rng: np.random.Generator
) -> None:
    """Fewer than four blocks, an empty one and no requests are errors."""
    with pytest.raises(ValueError, match=r"block|at least 1"):
        noise_floor(blocks, median, n, rng)


@pytest.mark.parametrize(("between", "slower"), [(0.1, 1.0), (0.1, 0.7)])
def test_the_interval_covers_the_true_ratio(
    between: float, slower: float, rng: np.random.Generator, worlds
) -> None:
    """The 90 % interval holds the true ratio in about 90 % of cases, with four blocks too."""
    covered = 0
    for _ in range(100):
        ours = worlds.blocks(rng, 4, 50, between, slower)
        found = ratio_interval(ours, worlds.blocks(rng, 4, 50, between), median, 0.9, rng, 80)
        covered += found.low <= slower <= found.high
    assert covered / 100 > 0.82


def test_the_interval_tells_a_clear_gain(rng: np.random.Generator, worlds) -> None:
    """A candidate that takes half as long is shown to be faster, and the value lies inside."""
    ours, theirs = worlds.blocks(rng, 6, 100, 0.05, 0.5), worlds.blocks(rng, 6, 100, 0.05)
    found = ratio_interval(ours, theirs, p90, 0.95, rng, 200)
    assert found.value == pytest.approx(p90(np.concatenate(ours)) / p90(np.concatenate(theirs)))
    assert found.low < found.value < found.high < 0.8


def test_an_interval_with_failures_has_no_upper_end(rng: np.random.Generator) -> None:
    """Failures near the quantile leave the upper end open; all failures leave nothing."""
    good = [np.full(20, 0.5)] * 4
    risky = [np.r_[np.full(18, 0.4), [math.inf] * 2]] * 4
    found = ratio_interval(risky, good, lambda v: quantile(v, 0.85), 0.95, rng, 200)
    assert found.value == pytest.approx(0.8)
    assert found.low == pytest.approx(0.8)
    assert found.high is None
    bad = [np.full(20, math.inf)] * 4
    assert ratio_interval(bad, good, median, 0.95, rng, 20) == Bound(None, None, None)


def test_one_block_has_no_interval(rng: np.random.Generator) -> None:
    """What differs between blocks cannot be seen in one."""
    with pytest.raises(ValueError, match="2 blocks"):
        ratio_interval([[1.0, 2.0]], [[1.0]] * 4, median, 0.95, rng)


def test_more_requests_on_the_same_starts_hardly_narrow_the_interval(
    rng: np.random.Generator, worlds
) -> None:
    """Engine starts are what is repeated: eight times the requests say little more about them."""

    def width(size: int, between: float) -> float:
        widths = []
        for _ in range(10):
            sides = [worlds.blocks(rng, 4, size, between) for _ in range(2)]
            found = ratio_interval(*sides, median, 0.95, rng, 100)
            widths.append(math.log(found.high / found.low))
        return float(np.median(widths))

    assert width(400, 0.2) > 0.7 * width(50, 0.2)
    assert width(400, 0.0) < 0.6 * width(50, 0.0)


def test_levels_of_starts_are_compared_as_student_does(rng: np.random.Generator) -> None:
    """Equal levels are called unequal in 5 % of cases; a level twice as high is seen."""
    wrong = 0
    for _ in range(400):
        found = level_ratio(*np.exp(rng.normal(0, 0.1, (2, 3))).tolist())
        assert found.low is not None and found.high is not None
        wrong += not found.low <= 1 <= found.high
    clear = level_ratio([200.0, 205.0, 198.0], [100.0, 99.0, 102.0])

    assert 5 <= wrong <= 38
    assert clear.value == pytest.approx(2.0, rel=0.02)
    assert clear.low is not None and clear.low > 1.8


def test_a_level_seen_once_or_not_at_all_is_not_compared() -> None:
    """What starts differ by cannot be seen in one, and an unknown level is no number."""
    assert level_ratio([1.0], [1.0, 2.0]) == Bound(None, None, None)
    assert level_ratio([1.0, math.inf], [1.0, 2.0]) == Bound(None, None, None)
