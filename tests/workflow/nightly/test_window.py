"""How long a night may work."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest

from tuner.spec.time_zones import zone_named
from tuner.spec.window import Window, parse_window
from tuner.workflow.nightly.asked import NotTonight
from tuner.workflow.nightly.window import until_closed


def window(begins_h: float, ends_h: float) -> Window:
    """Return a window that begins and ends so many hours from now."""
    ends = [datetime.now(UTC) + timedelta(hours=h) for h in (begins_h, ends_h)]
    return parse_window(f"{ends[0]:%H:%M}-{ends[1]:%H:%M} UTC", zone_named)


def test_without_a_window_any_time_is_good() -> None:
    """Only the budget bounds the night."""
    assert until_closed(None)() == math.inf


def test_an_open_window_leaves_the_time_to_its_end() -> None:
    """To the minute, and less with every look."""
    left_s = until_closed(window(-2, 3))
    first, second = left_s(), left_s()

    assert 3 * 3600 - 61 <= second <= first <= 3 * 3600


def test_a_closed_window_is_no_alarm_and_says_when_it_opens() -> None:
    """A timer that comes early needs nobody's help."""
    closed = window(2, 3)
    with pytest.raises(NotTonight, match=r"is closed; it opens \d{4}-") as found:
        until_closed(closed)

    assert not found.value.alarm
