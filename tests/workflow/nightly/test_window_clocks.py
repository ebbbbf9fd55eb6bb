"""How long a night may work, whatever the clocks do meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from tuner.spec.time_zones import zone_named
from tuner.spec.window import parse_window
from tuner.workflow.nightly.asked import NotTonight
from tuner.workflow.nightly.window import until_closed

BERLIN = ZoneInfo("Europe/Berlin")
HOUR = 3600.0


@dataclass(slots=True)
class Clocks:
    """A clock on the wall, which somebody may set, and one that only goes on."""

    shows: datetime
    passed_s: float = 0.0

    def wall(self) -> datetime:
        return self.shows

    def steady_s(self) -> float:
        return self.passed_s

    def wait(self, hours: float) -> None:
        """Let both go on."""
        self.shows += timedelta(hours=hours)
        self.passed_s += hours * HOUR


def clocks(text: str) -> Clocks:
    """Return clocks in Berlin."""
    return Clocks(datetime.fromisoformat(text).replace(tzinfo=BERLIN).astimezone(UTC))


def hours_left(window: str, now: Clocks) -> float:
    """Return the hours until a window in Berlin closes."""
    asked = parse_window(f"{window} Europe/Berlin", zone_named)
    return until_closed(asked, now.wall, now.steady_s)() / HOUR


@pytest.mark.parametrize(
    ("window", "at", "hours"),
    [
        ("01:00-05:00", "2026-05-04 01:00", 4),
        ("01:00-05:00", "2026-05-04 04:59:24", 0.01),
        ("22:00-06:00", "2026-05-04 23:30", 6.5),  # over midnight
        ("22:00-06:00", "2026-05-05 02:00", 4),
        ("01:00-05:00", "2026-03-29 01:00", 3),  # clocks are set forward
        ("01:00-05:00", "2026-10-25 01:00", 5),  # and back
        ("22:00-06:00", "2026-10-24 22:00", 9),
    ],
)
def test_a_night_lasts_until_its_window_closes(window: str, at: str, hours: float) -> None:
    """Over midnight as well, and over a change of clocks."""
    assert hours_left(window, clocks(at)) == pytest.approx(hours)


def test_no_window_never_closes() -> None:
    """Then only the budget ends a night."""
    assert until_closed(None)() == float("inf")


def test_clocks_that_are_set_give_no_more_time() -> None:
    """Back: what is left by a steady clock; forward past the end: nothing."""
    now = clocks("2026-05-04 01:00")
    window = parse_window("01:00-05:00 Europe/Berlin", zone_named)
    left_s = until_closed(window, now.wall, now.steady_s)
    now.wait(3)
    as_usual = left_s()
    now.shows -= timedelta(hours=2)
    put_back = left_s()
    now.shows += timedelta(hours=9)
    put_forward = left_s()

    assert (as_usual, put_back) == (HOUR, HOUR)
    assert put_forward <= 0


@pytest.mark.parametrize(
    ("at", "opens"),
    [
        ("2026-05-04 00:59:59", "2026-05-04 01:00"),
        ("2026-05-04 05:00", "2026-05-05 01:00"),
        ("2026-03-28 12:00", "2026-03-29 01:00"),
    ],
)
def test_outside_of_its_window_no_night_begins(at: str, opens: str) -> None:
    """It says when the window opens, and nobody is called for that."""
    with pytest.raises(NotTonight) as closed:
        hours_left("01:00-05:00", clocks(at))

    told = f"the window 01:00-05:00 Europe/Berlin is closed; it opens {opens}"
    assert str(closed.value) == told
    assert not closed.value.alarm
