"""Blocks are levelled by what they have in common: prompts, templates, or nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuner.stats.levels import levels


def blocks(*sizes: int) -> np.ndarray:
    """Return which block each value belongs to."""
    return np.repeat(np.arange(len(sizes)), sizes)


def names(*numbers: np.ndarray) -> list[str]:
    """Return numbers as names."""
    return [str(n) for n in np.concatenate(numbers)]


def test_blocks_of_the_same_prompts_are_compared_prompt_by_prompt(rng: np.random.Generator) -> None:
    """What prompts differ by, however much, is in neither the difference nor its error."""
    hard = rng.normal(0, 1.0, 50)
    values = np.r_[hard, hard - 0.1] + rng.normal(0, 0.01, 100)
    same = names(np.arange(50), np.arange(50))
    found = levels(values, blocks(50, 50), same, same)

    assert found is not None
    assert found.level[1] - found.level[0] == pytest.approx(-0.1, abs=0.01)
    error = np.array([-1, 1]) @ found.covariance @ np.array([-1, 1])
    assert error**0.5 == pytest.approx(0.01 * (2 / 50) ** 0.5, rel=0.3)


def test_other_prompts_of_the_same_templates_are_compared_by_template(
    rng: np.random.Generator,
) -> None:
    """Blocks that saw templates unlike often are levelled as if they had seen them alike."""
    hard, plain = rng.normal(0, 1.0, 20), np.arange(20)
    first, second = np.r_[plain, plain[:10]], np.r_[plain, plain[10:]]
    values = np.r_[hard[first], hard[second] + 0.2] + rng.normal(0, 0.02, 60)
    prompts = names(np.arange(60))
    found = levels(values, blocks(30, 30), names(first, second), prompts)

    assert found is not None
    assert found.level[1] - found.level[0] == pytest.approx(0.2, abs=0.03)


def test_without_anything_in_common_means_are_compared(rng: np.random.Generator) -> None:
    """Blocks of other prompts differ by their means, and err by what prompts differ by."""
    values = rng.normal(0, 0.5, 80)
    alone = names(np.arange(80))
    found = levels(values, blocks(40, 40), alone, alone)

    assert found is not None
    assert found.level == pytest.approx([values[:40].mean(), values[40:].mean()])
    assert found.covariance[0, 0] ** 0.5 == pytest.approx(0.5 / 40**0.5, rel=0.3)


def test_constant_values_have_levels_without_error() -> None:
    """A simulated server that never varies makes no division by zero."""
    same = names(np.arange(10), np.arange(10))
    found = levels(np.r_[np.ones(10), np.zeros(10)], blocks(10, 10), same, same)

    assert found is not None
    assert found.level == pytest.approx([1.0, 0.0])
    assert np.abs(found.covariance).max() < 1e-10


@pytest.mark.parametrize("count", [0, 1, 2])
def test_no_more_values_than_blocks_have_no_levels(count: int) -> None:
    """With one value a block nobody knows what requests vary by."""
    names_ = names(np.arange(count))

    assert levels(np.zeros(count), np.arange(count), names_, names_) is None


@settings(max_examples=15)
@given(shift=st.floats(-5, 5), seed=st.integers(0, 1000))
def test_order_and_unit_do_not_matter(shift: float, seed: int) -> None:
    """Values in another order, or all moved, give the same differences of levels."""
    rng = np.random.default_rng(seed)
    block, template, prompt = rng.integers(0, 3, 40), rng.integers(0, 6, 40), rng.integers(0, 4, 40)
    block[:3] = range(3)
    values, order = rng.normal(0, 1, 40), rng.permutation(40)
    one = levels(values, block, names(template), names(prompt))
    other = levels(
        values[order] + shift, block[order], names(template[order]), names(prompt[order])
    )

    assert one is not None and other is not None
    assert other.level - other.level[0] == pytest.approx(one.level - one.level[0], abs=1e-6)
    assert other.noise == pytest.approx(one.noise[order], abs=1e-6)
