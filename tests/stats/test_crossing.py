"""A crossing is found to the last digit, inside of its bracket or at its end."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.stats.crossing import crossing


@given(st.floats(-1e3, 1e3))
def test_a_crossing_is_as_exact_as_floats(place: float) -> None:
    """The place comes back to the last digit, unless it is all but zero."""
    assert crossing(lambda x: x - place, -1e4, 1e4) == pytest.approx(place, rel=1e-15, abs=1e-50)


@pytest.mark.parametrize(("low", "high", "end"), [(1.0, 2.0, 1.0), (-2.0, -1.0, -1.0), (3, 3, 3)])
def test_outside_of_the_bracket_is_its_end(low: float, high: float, end: float) -> None:
    """A function that crosses before the bracket gives its beginning, one after it its end."""
    assert crossing(lambda x: x, low, high) == end


def test_a_step_is_found_too() -> None:
    """The function need not be continuous."""
    assert crossing(lambda x: math.floor(x) - 5, 0.0, 64.0) == 5.0
