"""Cells of tables: what is not known is a question mark, never a number."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.report.cells import floor_percent, interval, left_out, percent
from tuner.stats.quantiles import Bound

values = st.none() | st.floats(0, 1e6)


@given(values, values, values)
def test_what_is_unknown_is_no_number(
    value: float | None, low: float | None, high: float | None
) -> None:
    """A value beyond all samples is infinite, an end that was not found a question mark."""
    shown = interval(Bound(value, low, high), 1000.0, 0)

    assert shown.startswith("inf [") == (value is None)
    assert shown.count("?") == (low, high).count(None)


def test_a_number_stands_in_the_unit_of_its_row() -> None:
    """Milliseconds and percent."""
    assert interval(Bound(0.1234, 0.1, None), 1000.0, 1) == "123.4 [100.0, ?]"
    assert percent(Bound(0.955, 0.9, 1.0)) == "95.5 [90.0, 100.0]"


@pytest.mark.parametrize(
    ("count", "slowest_s", "said"),
    [(0, None, "none."), (3, 1.25, "n = 3, slowest 1250 ms"), (3, math.inf, "slowest failed")],
)
def test_the_warm_up_is_told(count: int, slowest_s: float | None, said: str) -> None:
    """With how long who comes first may wait, which for a request that failed is no time."""
    assert said in left_out(count, slowest_s)


@given(st.floats(0, 20))
def test_a_floor_falls_by_less_than_all_and_rises_by_more(floor: float) -> None:
    """A ratio cannot fall below nothing."""
    down, up = (float(floor_percent(floor, longer=up).rstrip("%")) for up in (False, True))

    assert 0 <= down <= 100.0
    assert up >= down


def test_a_floor_without_end_is_no_percentage() -> None:
    """Where like sides cannot be compared."""
    assert floor_percent(math.inf) == "unbounded"
