"""Gains by pairs: seldom claimed of like sides, mostly of unlike ones, whatever blocks do."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tuner.stats.gains import (
    Estimate,
    Sides,
    fewer_late,
    mean_and_median,
    quantile_log_ratio,
)

TURNS = (0, 1, 1, 0, 0, 1, 1, 0)


def proof(
    rng: np.random.Generator, gain: float = 0.0, spread: float = 0.03, trend: float = 0.0,
    turns: tuple[int, ...] = TURNS, size: int = 30, templates: int = 40,
) -> tuple[Sides, np.ndarray]:  # fmt: skip
    """Return two sides that took turns on the same prompts, and their latencies."""
    hard, sent = rng.normal(0, 0.4, templates), [0, 0]
    rows, seconds = [], []
    for number, ours in enumerate(turns):
        pace = rng.normal(0, spread) + trend * number / (len(turns) - 1) - gain * ours
        for _ in range(size):
            prompt, sent[ours] = sent[ours], sent[ours] + 1
            template = prompt % templates
            rows.append((bool(ours), number, f"t{template}", f"p{prompt}"))
            seconds.append(math.exp(hard[template] + pace + rng.normal(0, 0.1)))
    ours_, block, template_, prompt_ = zip(*rows, strict=True)
    return Sides(np.array(ours_), np.array(block), template_, prompt_), np.array(seconds)


def found(estimate: Estimate | None) -> Estimate:
    """Return an estimate that there is."""
    assert estimate is not None
    return estimate


Ratio = Callable[[Sides, np.ndarray, float], Estimate | None]


def mean_log_ratio(sides: Sides, seconds: np.ndarray, error: float) -> Estimate | None:
    """Return the estimate of means."""
    return mean_and_median(sides, seconds, (error, error))[0]


def median_log_ratio(sides: Sides, seconds: np.ndarray, error: float) -> Estimate | None:
    """Return the estimate of medians."""
    return mean_and_median(sides, seconds, (error, error))[1]


@pytest.mark.parametrize("ratio", [mean_log_ratio, median_log_ratio])
@pytest.mark.parametrize(("spread", "trend"), [(0.0, 0.0), (0.03, 0.0), (0.05, 0.2), (0.03, -0.2)])
def test_like_sides_seldom_differ(
    ratio: Ratio, spread: float, trend: float, rng: np.random.Generator
) -> None:
    """Each bound errs in about the share of cases that was asked for, at most."""
    wrong = 0
    for _ in range(60):
        estimate = found(ratio(*proof(rng, spread=spread, trend=trend), 0.05))
        wrong += not estimate.low <= 0 <= estimate.high

    assert wrong <= 12  # more come in 1.3 % of such tests at a chance of 10 %


def test_a_gain_of_a_tenth_is_seen_on_four_starts(rng: np.random.Generator) -> None:
    """Starts that lie 3 % apart leave it visible, and its value lies about the truth."""
    gain = -math.log(0.9)
    estimates = [found(mean_log_ratio(*proof(rng, gain), 0.01)) for _ in range(30)]

    assert sum(e.high < 0 for e in estimates) >= 22
    assert np.mean([e.value for e in estimates]) == pytest.approx(-gain, abs=0.02)


def test_a_steady_trend_is_in_nobodys_favour(rng: np.random.Generator) -> None:
    """It costs one degree of freedom and moves nothing, also where turns are uneven."""
    for turns in (TURNS, (0, 1, 0, 1, 0, 1, 0, 1, 1, 0)):
        sides, seconds = proof(rng, 0.1, spread=0.0, turns=turns)
        drifting = seconds * np.exp(0.03 * sides.block)
        still, moved = (found(mean_log_ratio(sides, s, 0.05)) for s in (seconds, drifting))

        assert moved.value == pytest.approx(still.value, abs=1e-3)
        assert moved.floor == pytest.approx(still.floor, rel=0.05)


def test_without_errors_of_levels_it_is_students_t() -> None:
    """Where requests say all about their block the interval is the textbook's."""
    levels = np.array([0.02, -0.1, 0.01, -0.03, 0.05, -0.12])
    ours = np.array([0, 1, 0, 1, 0, 1], dtype=bool)
    rows = [(b, i) for b in range(6) for i in range(4)]
    sides = Sides(
        np.array([ours[b] for b, _ in rows]), np.array([b for b, _ in rows]),
        [f"t{i}" for _, i in rows], [f"p{i}" for _, i in rows], interleaved=False,
    )  # fmt: skip
    estimate = found(mean_log_ratio(sides, np.exp([levels[b] for b, _ in rows]), 0.025))
    told = stats.ttest_ind(levels[ours], levels[~ours]).confidence_interval(0.95)

    assert (estimate.low, estimate.high) == pytest.approx((told.low, told.high), rel=0.02)


def test_more_requests_on_the_same_starts_hardly_lower_the_floor(rng: np.random.Generator) -> None:
    """Starts are what is repeated: six times the requests say little more about them."""

    def floor(size: int, spread: float) -> float:
        seen = [
            found(mean_log_ratio(*proof(rng, spread=spread, size=size), 0.05)) for _ in range(12)
        ]
        return float(np.median([e.floor for e in seen]))

    assert floor(120, 0.1) > 0.6 * floor(20, 0.1)
    assert floor(120, 0.0) < 0.7 * floor(20, 0.0)


@pytest.mark.parametrize("turns", [(0, 1), (0, 0, 0, 1), (1, 0, 1, 1)])
def test_one_block_a_side_shows_nothing(turns: tuple[int, ...], rng: np.random.Generator) -> None:
    """What differs between blocks of a side cannot be seen in one."""
    sides, seconds = proof(rng, 0.5, turns=turns)

    assert mean_log_ratio(sides, seconds, 0.05) is None
    assert median_log_ratio(sides, seconds, 0.05) is None
    assert quantile_log_ratio(sides, seconds, 0.5, 0.05) is None
    assert fewer_late(sides, ~sides.ours, 0.05) is None


def test_failures_make_a_median_later_and_never_faster(rng: np.random.Generator) -> None:
    """Who fails is infinitely late; where half of a block fails there is no median at all."""
    sides, seconds = proof(rng, 0.1)
    whole = found(median_log_ratio(sides, seconds, 0.05))
    failed = np.where(sides.ours & (rng.random(seconds.size) < 0.2), math.inf, seconds)
    most = np.where(sides.ours & (rng.random(seconds.size) < 0.7), math.inf, seconds)

    assert found(median_log_ratio(sides, failed, 0.05)).value > whole.value
    assert median_log_ratio(sides, most, 0.05) is None


def test_a_quantile_needs_requests_beyond_it(rng: np.random.Generator) -> None:
    """A p99 of 120 requests a side has no bound; of 480 it has one, and its own value."""
    few, many = (proof(rng, 0.7, spread=0.0, size=size) for size in (30, 120))

    assert found(quantile_log_ratio(*few, 0.99, 0.05)).high == math.inf
    estimate = found(quantile_log_ratio(*many, 0.99, 0.05))
    sides, seconds = many
    ours, theirs = (np.quantile(seconds[side], 0.99) for side in (sides.ours, ~sides.ours))
    assert estimate.value == pytest.approx(math.log(ours / theirs))
    assert estimate.low < -0.7 < estimate.high


def test_a_stall_in_each_block_does_not_pin_a_quantile_down() -> None:
    """Whichever block is left out the p99 is the same, and could as well be the stall."""
    sides, _ = proof(np.random.default_rng(1), size=100)
    place = np.arange(sides.ours.size) % 100
    seconds = np.where(sides.ours, 0.2, 0.4) * np.where(place == 50, 5.0, 1.0)
    estimate = found(quantile_log_ratio(sides, seconds, 0.99, 0.05))

    assert estimate.value == pytest.approx(math.log(0.5), abs=0.05)
    assert estimate.high > 0


def test_a_quantile_that_fails_is_no_number(rng: np.random.Generator) -> None:
    """Where requests beyond it failed there is no ratio, with any block left out."""
    sides, seconds = proof(rng, 0.7, size=60)
    failed = np.where(sides.ours & (sides.block == 1), math.inf, seconds)

    assert quantile_log_ratio(sides, failed, 0.99, 0.05) is None


def test_fewer_late_are_seen_by_pairs(rng: np.random.Generator) -> None:
    """A third late against none is shown by both marks; like shares seldom are."""
    sides, seconds = proof(rng)
    late = ~sides.ours & (rng.random(seconds.size) < 0.3)
    like = [fewer_late(sides, rng.random(seconds.size) < 0.3, 0.05) for _ in range(40)]

    assert found(fewer_late(sides, late, 0.01)).value == pytest.approx(-0.3, abs=0.08)
    assert sum(estimate is not None for estimate in like) <= 5


def test_starts_that_differ_are_no_fewer_late(rng: np.random.Generator) -> None:
    """One bad start of theirs makes many pairs better, and is one start."""
    sides, _ = proof(rng)

    assert fewer_late(sides, ~sides.ours & (sides.block == 3), 0.01) is None


def test_other_prompts_are_no_pairs(rng: np.random.Generator) -> None:
    """Without a prompt that both answered no fewer late are shown."""
    sides, _ = proof(rng)
    apart = [f"{p}{who}" for p, who in zip(sides.prompt, sides.ours, strict=True)]
    other = Sides(sides.ours, sides.block, sides.template, apart)

    assert fewer_late(other, ~sides.ours, 0.01) is None


@settings(max_examples=10)
@given(seed=st.integers(0, 1000), scale=st.sampled_from([0.25, 8.0]))
def test_sides_turned_round_turn_the_ratio_in_any_unit(seed: int, scale: float) -> None:
    """Ours against theirs is theirs against ours with the other sign, whatever the unit."""
    sides, seconds = proof(np.random.default_rng(seed), 0.1, size=8)
    turned = Sides(~sides.ours, sides.block, sides.template, sides.prompt)
    for ratio in (mean_log_ratio, median_log_ratio):
        one, other = found(ratio(sides, seconds, 0.02)), found(ratio(turned, seconds * scale, 0.02))
        assert other.value == pytest.approx(-one.value, abs=1e-6)
        assert (other.low, other.high) == pytest.approx((-one.high, -one.low), abs=1e-5)


@settings(max_examples=40)
@given(seed=st.integers(0, 10_000), spread=st.sampled_from([0.0, 1e-6, 0.1, 3.0]))
def test_any_design_gives_bounds_in_order_or_none(seed: int, spread: float) -> None:
    """Blocks of one request, a single template, failures, no noise at all: never an error."""
    rng = np.random.default_rng(seed)
    count, kinds = int(rng.integers(2, 10)), int(rng.choice([1, 3, 200]))
    block = np.repeat(np.arange(count), rng.integers(1, rng.choice([2, 5, 40]), count))
    template, prompt = (rng.integers(0, kinds, block.size).astype(str).tolist() for _ in range(2))
    sides = Sides((rng.random(count) < 0.5)[block], block, template, prompt)
    seconds = np.exp(rng.normal(0, spread, block.size))
    seconds[rng.random(block.size) < 0.2] = math.inf
    estimates = (
        *mean_and_median(sides, seconds, (0.01, 0.0025)),
        quantile_log_ratio(sides, seconds, 0.9, 0.01),
        fewer_late(sides, seconds > 1, 0.05),
    )

    assert all(e.low <= e.value <= e.high for e in estimates if e is not None)
