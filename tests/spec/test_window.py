"""A window opens once a date, whatever clocks do."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.spec.time_zones import zone_named
from tuner.spec.window import EXPECTED, Window, instant, parse_window

JUMPY = [
    "Europe/Berlin", "America/New_York", "America/Havana", "Australia/Lord_Howe", "Pacific/Apia",
    "Asia/Kathmandu", "Africa/Casablanca", "America/St_Johns", "Pacific/Kwajalein", "UTC",
]  # fmt: skip
ZONES = st.sampled_from(JUMPY).map(ZoneInfo) | st.timezones()
TIMES = st.times().map(lambda t: t.replace(second=0, microsecond=0))
WINDOWS = st.builds(Window, TIMES, TIMES, ZONES).filter(lambda w: w.opens != w.closes)
INSTANTS = st.datetimes(datetime(1971, 1, 1), datetime(2036, 1, 1), timezones=st.just(UTC))


def utc(text: str) -> datetime:
    """Return an instant written without its zone, UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def window(text: str) -> Window:
    """Return the window of a text."""
    return parse_window(text, zone_named)


def constant(zone: tzinfo, at: datetime, around: timedelta) -> bool:
    """Tell whether clocks of a zone are not set around an instant."""
    hours = range(int(around.total_seconds() // 3600) * 2 + 1)
    return (
        len({(at - around + timedelta(hours=h)).astimezone(zone).utcoffset() for h in hours}) == 1
    )


@given(WINDOWS, INSTANTS)
def test_an_opening_holds_its_instants_and_the_next_comes_after_it(w: Window, at: datetime) -> None:
    """Openings never overlap, and none is empty."""
    now, later = w.opening(at), w.next_opening(at)

    assert later.begins > at
    assert later.begins < later.ends
    if now is not None:
        assert now.begins <= at < now.ends <= later.begins


@given(WINDOWS, INSTANTS)
def test_it_is_open_while_the_clock_is_between_its_times(w: Window, at: datetime) -> None:
    """On days on which clocks are not set."""
    if not constant(w.zone, at, timedelta(days=3)):
        return
    shown, over_midnight = at.astimezone(w.zone).time(), w.closes <= w.opens
    inside = w.opens <= shown or shown < w.closes if over_midnight else w.opens <= shown < w.closes

    assert (w.opening(at) is not None) == inside
    following = w.next_opening(at)
    assert following.begins.astimezone(w.zone).time() == w.opens
    assert following.ends - following.begins == w.length


@given(WINDOWS, INSTANTS)
def test_nights_of_a_jump_are_as_much_longer_or_shorter(w: Window, at: datetime) -> None:
    """No jump of any zone makes a window longer than by the jump itself."""
    opening = w.next_opening(at)
    offsets = [
        t.astimezone(w.zone).utcoffset() or timedelta() for t in (opening.begins, opening.ends)
    ]

    assert opening.ends - opening.begins <= w.length + max(timedelta(), offsets[0] - offsets[1])


@given(st.datetimes(datetime(1971, 1, 1), datetime(2036, 1, 1)), ZONES)
def test_the_instant_of_a_time_is_the_first_that_shows_it_or_more(
    wall: datetime, zone: tzinfo
) -> None:
    """A second before it the clock showed less: also in a jump, and where a time comes twice."""
    wall = wall.replace(microsecond=0)
    found = instant(wall, zone)
    shown = found.astimezone(zone).replace(tzinfo=None)
    before = (found - timedelta(seconds=1)).astimezone(zone).replace(tzinfo=None)

    assert before < wall <= shown


@given(ZONES, st.lists(st.datetimes(datetime(1971, 1, 1), datetime(2036, 1, 1)), min_size=2))
def test_later_times_never_come_earlier(zone: tzinfo, walls: list[datetime]) -> None:
    """So openings keep their order."""
    found = [instant(wall.replace(microsecond=0), zone) for wall in sorted(walls)]

    assert found == sorted(found)


@pytest.mark.parametrize(
    ("text", "at", "begins", "ends"),
    [
        # clocks are set forward at 02:00, which is 01:00 UTC
        ("01:00-05:00 Europe/Berlin", "2026-03-29 00:30", "2026-03-29 00:00", "2026-03-29 03:00"),
        ("02:30-05:00 Europe/Berlin", "2026-03-29 01:00", "2026-03-29 01:00", "2026-03-29 03:00"),
        ("00:30-02:30 Europe/Berlin", "2026-03-29 00:59", "2026-03-28 23:30", "2026-03-29 01:00"),
        ("22:00-06:00 Europe/Berlin", "2026-03-29 03:59", "2026-03-28 21:00", "2026-03-29 04:00"),
        # clocks are set back at 03:00, which is 01:00 UTC
        ("01:00-05:00 Europe/Berlin", "2026-10-25 03:59", "2026-10-24 23:00", "2026-10-25 04:00"),
        ("02:30-05:00 Europe/Berlin", "2026-10-25 01:10", "2026-10-25 00:30", "2026-10-25 04:00"),
        ("00:30-02:30 Europe/Berlin", "2026-10-25 00:29", "2026-10-24 22:30", "2026-10-25 00:30"),
        ("02:15-02:45 Europe/Berlin", "2026-10-25 00:20", "2026-10-25 00:15", "2026-10-25 00:45"),
        ("22:00-06:00 Europe/Berlin", "2026-10-24 20:00", "2026-10-24 20:00", "2026-10-25 05:00"),
        # half an hour
        ("1:45-4:00 Australia/Lord_Howe", "2026-10-03 15:30", "2026-10-03 15:15", "2026-10-03 17:00"),  # noqa: E501
        # a date that does not exist
        ("23:00-02:00 Pacific/Apia", "2011-12-30 10:30", "2011-12-30 10:00", "2011-12-30 12:00"),
        ("20:00-24:00 UTC", "2026-05-01 23:59", "2026-05-01 20:00", "2026-05-02 00:00"),
    ],
)  # fmt: skip
def test_nights_on_which_clocks_are_set(text: str, at: str, begins: str, ends: str) -> None:
    """A time that comes twice counts the first time; one that does not exist is the jump."""
    found = window(text).opening(utc(at))

    assert found is not None
    assert (found.begins, found.ends) == (utc(begins), utc(ends))
    assert window(text).opening(utc(ends)) is None


@pytest.mark.parametrize(
    ("text", "at", "next_begins"),
    [
        # all of it lies in the jump
        ("02:10-02:50 Europe/Berlin", "2026-03-28 12:00", "2026-03-30 00:10"),
        # open at that very instant: the next is tomorrow's
        ("01:00-05:00 UTC", "2026-05-01 01:00", "2026-05-02 01:00"),
        # the second 02:20 of the night, after the first closed it
        ("02:15-02:45 Europe/Berlin", "2026-10-25 01:20", "2026-10-26 01:15"),
        ("22:00-06:00 UTC", "2026-05-01 06:00", "2026-05-01 22:00"),
    ],
)
def test_when_it_opens_next(text: str, at: str, next_begins: str) -> None:
    """A night on which it would be empty is left out, and no night comes twice."""
    assert window(text).next_opening(utc(at)).begins == utc(next_begins)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1-5", EXPECTED), ("01:00", EXPECTED), ("", EXPECTED), ("01:00-05:00 A B", EXPECTED),
        ("25:00-05:00", "there is no 25:00"), ("01:60-05:00", "there is no 01:60"),
        ("24:01-05:00", "there is no 24:01"), ("03:00-03:00", "opens and closes at once"),
        ("00:00-24:00", "opens and closes at once"),
        ("01:00-05:00 Europe/Berln", "did you mean Europe/Berlin?"),
        ("01:00-05:00 ../../etc/passwd", "expected a time zone"),
        ("\u0660\u0661:00-05:00", EXPECTED),
    ],
)  # fmt: skip
def test_a_text_that_is_no_window_is_refused(text: str, said: str) -> None:
    """With what was expected."""
    with pytest.raises(ValueError, match="expected") as refused:
        window(text)

    assert said in str(refused.value)


@given(TIMES, TIMES, st.sampled_from(JUMPY))
def test_a_window_is_read_as_it_is_written(opens: time, closes: time, zone: str) -> None:
    """With its zone."""
    if opens != closes:
        written = Window(opens, closes, ZoneInfo(zone), zone)
        assert window(str(written)) == written


@given(st.text())
def test_any_text_is_a_window_or_a_value_error(text: str) -> None:
    """Nothing else is raised."""
    try:
        assert str(window(text))
    except ValueError as refused:
        assert "expected" in str(refused)
