"""Time zones by their names, and the one of this machine."""

from __future__ import annotations

import os
from datetime import UTC, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo, available_timezones

from tuner.spec.file.parts import nearest

_LOCAL = Path("/etc/localtime")
_DATABASE = "zoneinfo/"


def zone_named(name: str | None) -> tuple[tzinfo, str | None]:
    """Return a zone and its name, for None those of this machine; raise ValueError."""
    return machine_zone() if name is None else (_zone(name, name), name)


def machine_zone() -> tuple[tzinfo, str | None]:
    """Return the zone of this machine and its name, as the C library reads them (tzset(3)).

    The name is None for a zone that has only a file. Raises ValueError for a TZ that is a rule.
    """
    told = os.environ.get("TZ")
    if told is None:
        return _from_file(_LOCAL) if _LOCAL.exists() else (UTC, "UTC")
    name = told.removeprefix(":")
    if not name:
        return UTC, "UTC"
    if Path(name).is_absolute():
        return _from_file(Path(name))
    return _zone(name, f"TZ={told}"), name


def _from_file(path: Path) -> tuple[tzinfo, str | None]:
    """Return the zone in a file; a link into the database of zones tells its name."""
    _, found, name = str(path.resolve()).partition(_DATABASE)
    name = name.removeprefix("posix/").removeprefix("right/")
    if found and name in available_timezones():
        return ZoneInfo(name), name
    try:
        with path.open("rb") as content:
            return ZoneInfo.from_file(content), None
    except (OSError, ValueError) as broken:
        raise ValueError(
            f"expected a time zone in {path}, found none ({broken}); name one with the window, "
            "such as 01:00-05:00 Europe/Berlin"
        ) from None


def _zone(name: str, told: str) -> ZoneInfo:
    known = available_timezones()
    if name in known:
        return ZoneInfo(name)
    if not known:
        raise ValueError("this machine knows no time zones; install its package tzdata")
    raise ValueError(
        f"expected a time zone such as Europe/Berlin or UTC, found {told!r}{nearest(name, known)}"
    )
