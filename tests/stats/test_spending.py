"""The error of a year is spent over challengers: never more than there is, most on the first."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.stats.spending import MOST, YEAR, error_of


@given(st.integers(1, 2000), st.floats(0.001, 0.2))
def test_all_challengers_together_spend_no_more_than_the_year_has(count: int, whole: float) -> None:
    """However many there are, and the later ones never more than the earlier."""
    errors = [error_of(number, whole) for number in range(1, count + 1)]

    assert sum(errors) <= whole * (1 + 1e-9)
    assert errors == sorted(errors, reverse=True)


def test_the_whole_year_is_spent_and_nothing_beyond() -> None:
    """What a year has is used up by as many challengers as there are nights."""
    assert sum(error_of(n) for n in range(1, MOST + 1)) == pytest.approx(YEAR)
    assert error_of(MOST + 1) == 0.0


def test_a_challenger_is_counted_from_one() -> None:
    """There is no challenger before the first."""
    with pytest.raises(ValueError, match="counted from 1"):
        error_of(0)
