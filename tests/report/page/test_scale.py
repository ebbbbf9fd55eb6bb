"""A scale puts values where they belong, and its ticks are round."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.report.page.scale import Scale, fitting

VALUES = st.lists(st.floats(1e-6, 1e9), min_size=1, max_size=8)


@given(VALUES, st.booleans(), st.sampled_from([None, True, False]))
def test_all_values_lie_on_the_scale_in_their_order(
    values: list[float], zero: bool, log: bool | None
) -> None:
    """What is larger lies no nearer to the beginning."""
    scale = fitting(values, 10.0, 300.0, zero=zero, log=log)
    places = [scale.at(value) for value in sorted(values)]

    assert places == sorted(places)
    assert places[0] >= 10.0 and places[-1] <= 300.0


@given(VALUES, st.booleans(), st.sampled_from([1.0, 60.0, 2.0**20]))
def test_ticks_are_few_round_and_on_the_scale(values: list[float], zero: bool, unit: float) -> None:
    """At most a digit and a half in their unit: 1, 2 or 5 times a power of ten apart."""
    scale = fitting(values, 0.0, 100.0, zero=zero, log=False)
    ticks = [tick / unit for tick in scale.ticks(5, unit)]

    assert 2 <= len(ticks) <= 7
    assert all(scale.low / unit - 1e-6 <= t <= scale.high / unit * (1 + 1e-9) for t in ticks)
    step = (ticks[-1] - ticks[0]) / (len(ticks) - 1)
    lead = step / 10 ** math.floor(math.log10(step) + 1e-6)
    assert min(abs(lead - round_) for round_ in (1, 2, 5, 10)) < 1e-3


def test_a_wide_range_counts_in_powers_of_ten() -> None:
    """So that small values can be told apart beside large ones."""
    scale = fitting([0.01, 10.0], 0.0, 300.0)

    assert scale.log and scale.ticks() == [0.01, 0.1, 1.0, 10.0]
    assert scale.at(0.1) - scale.at(0.01) == pytest.approx(scale.at(10.0) - scale.at(1.0), abs=0.2)


@pytest.mark.parametrize("values", [[], [math.inf, math.nan], [0.0], [5.0, 5.0]])
def test_any_values_have_a_scale(values: list[float]) -> None:
    """None, one, or alike ones."""
    scale = fitting(values, 0.0, 100.0)

    assert scale.low < scale.high and len(scale.ticks()) >= 2


def test_what_lies_outside_is_put_on_the_edge() -> None:
    """A place is always inside of the drawing."""
    assert Scale(0.0, 1.0, 10.0, 20.0).at(7.0) == 20.0
    assert Scale(0.1, 1.0, 10.0, 20.0, log=True).at(0.0) == 10.0
