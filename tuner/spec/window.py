"""The hours of the night in which work is allowed: `01:00-05:00`, in a time zone.

A time of the wall clock that comes twice, when clocks are set back, counts where it comes first;
one that does not exist, when they are set forward, is the instant of the jump. So a window opens
once a date and never twice a night, and it never ends later than its text says.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

EXPECTED = "expected a window such as 01:00-05:00, or 22:00-06:00 Europe/Berlin"

_TEXT = re.compile(
    r"\s*(?P<opens>[0-9]{1,2}:[0-9]{2})\s*-\s*(?P<closes>[0-9]{1,2}:[0-9]{2})(?:\s+(?P<zone>\S+))?\s*"
)
_DAY = timedelta(days=1)
_AROUND = range(-2, 5)
"""Dates around an instant whose windows may hold it, or be the next: a zone may skip a day."""


@dataclass(frozen=True, slots=True)
class Opening:
    """A window on one date: open from `begins` until just before `ends`, both in UTC."""

    begins: datetime
    ends: datetime


@dataclass(frozen=True, slots=True)
class Window:
    """Hours of the wall clock in a zone; where `closes` is not after `opens`, over midnight.

    `zone_name` is None where the zone has no name that others would understand.
    """

    opens: time
    closes: time
    zone: tzinfo
    zone_name: str | None = None

    def __str__(self) -> str:
        hours = f"{self.opens:%H:%M}-{self.closes:%H:%M}"
        return f"{hours} {self.zone_name}" if self.zone_name else hours

    @property
    def length(self) -> timedelta:
        """Return how long it is open on a day without a change of clocks."""
        opens, closes = (datetime.combine(date.min, t) for t in (self.opens, self.closes))
        return closes - opens if closes > opens else closes - opens + _DAY

    def opening(self, at: datetime) -> Opening | None:
        """Return the opening that holds an instant, None while the window is closed."""
        return next((o for o in self._openings(at) if o.begins <= at < o.ends), None)

    def next_opening(self, at: datetime) -> Opening:
        """Return the first opening that begins after an instant."""
        return next(o for o in self._openings(at) if o.begins > at)

    def _openings(self, at: datetime) -> Iterator[Opening]:
        """Yield the openings around an instant in their order; an empty one is none."""
        today = at.astimezone(self.zone).date()
        for days in _AROUND:
            begins, ends = self._on(today + days * _DAY)
            if begins < ends:
                yield Opening(begins, ends)

    def _on(self, opens_on: date) -> tuple[datetime, datetime]:
        begins = datetime.combine(opens_on, self.opens)
        ends = datetime.combine(opens_on, self.closes)
        if ends <= begins:
            ends += _DAY
        return instant(begins, self.zone), instant(ends, self.zone)


def instant(wall: datetime, zone: tzinfo) -> datetime:
    """Return in UTC when a clock of a zone first shows a time, or jumps over it."""
    early, late = (wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if early.astimezone(zone).replace(tzinfo=None) == wall:
        return early
    return _jump(wall, late, early, zone)  # in a gap the offset after it gives the earlier instant


def _jump(wall: datetime, before: datetime, after: datetime, zone: tzinfo) -> datetime:
    """Return the first second in which a clock shows more than `wall`, which it never shows."""
    seconds = range(int(before.timestamp()), int(after.timestamp()) + 1)

    def passed(second: int) -> bool:
        return datetime.fromtimestamp(second, zone).replace(tzinfo=None) > wall

    return datetime.fromtimestamp(seconds[bisect_left(seconds, True, key=passed)], UTC)


def parse_window(
    text: str, zone_named: Callable[[str | None], tuple[tzinfo, str | None]]
) -> Window:
    """Return the window of a text; raise ValueError with what was expected.

    `zone_named` gives the zone of a name, and for None the machine's own with its name.
    """
    found = _TEXT.fullmatch(text)
    if found is None:
        raise ValueError(EXPECTED)
    opens, closes = _clock(found["opens"]), _clock(found["closes"])
    if opens == closes:
        raise ValueError(f"{EXPECTED}; this one opens and closes at once")
    zone, name = zone_named(found["zone"])
    return Window(opens, closes, zone, name)


def _clock(text: str) -> time:
    """Return a time of day; 24:00 is the next midnight."""
    hour, minute = map(int, text.split(":"))
    if hour == 24 and minute == 0:
        hour = 0
    if hour > 23 or minute > 59:
        raise ValueError(f"{EXPECTED}; there is no {text}")
    return time(hour, minute)
