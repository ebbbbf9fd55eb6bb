"""What a result says of itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tuner.search.result import Gain, Screened
from tuner.stats.quantiles import Bound

SCREENED = Screened(3, 20, 0.4, True, 500, 0.45, True, "PASS")


@pytest.mark.parametrize(
    ("quantile", "name"), [(None, "mean"), (0.5, "p50"), (0.99, "p99"), (0.999, "p99.9")]
)
def test_a_gain_is_named_by_what_it_is_of(quantile: float | None, name: str) -> None:
    """The mean, or a quantile as people write it."""
    assert Gain("e2e", quantile, Bound(0.9, 0.8, 1.0), 0.95).name == name


@pytest.mark.parametrize("met", [True, False])
@pytest.mark.parametrize("confirmed", [True, False])
def test_searching_was_right_where_both_saw_one_side_of_the_target(
    met: bool, confirmed: bool
) -> None:
    """How far the numbers lie apart does not matter, nor whether the last one is finite."""
    found = replace(SCREENED, met=met, confirmed_met=confirmed, confirmed_s=None)

    assert found.agreed == (met == confirmed)
