"""Encodings: every share of a dimension in [0, 1) stands for one of its values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.search.test_propose import SPACE
from tuner.search.encoding import contains
from tuner.spec.space import Choices, Range, value_at

SHARES = st.lists(st.floats(0, 1, exclude_max=True), min_size=len(SPACE), max_size=len(SPACE))


@given(SHARES)
def test_what_a_share_stands_for_lies_in_the_space(shares: list[float]) -> None:
    """Values lie in the space, those of a range where the share was."""
    drawn = zip(SPACE.items(), shares, strict=True)
    candidate = {name: value_at(dimension, share) for (name, dimension), share in drawn}

    assert contains(SPACE, candidate)
    assert candidate["t"] == pytest.approx(shares[list(SPACE).index("t")], abs=0.001)


def test_choices_lie_evenly() -> None:
    """Four numbers take a quarter each, whatever they are, and one takes all."""
    four = Choices((1, 2, 4, 8))

    assert [value_at(four, share) for share in (0.0, 0.26, 0.51, 0.99)] == [1, 2, 4, 8]
    assert value_at(Choices((3,)), 0.9) == 3


def test_a_range_on_a_log_scale_has_its_middle_at_the_root() -> None:
    """Of 1 to 100 the middle is 10."""
    assert value_at(Range(1, 100, log=True), 0.5) == 10
