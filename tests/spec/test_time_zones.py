"""Zones by name, and the machine's own as the C library has it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tuner.spec.time_zones import machine_zone, zone_named


@pytest.mark.parametrize(
    ("told", "name"),
    [
        ("Europe/Berlin", "Europe/Berlin"), (":Asia/Kathmandu", "Asia/Kathmandu"), ("", "UTC"),
        ("/usr/share/zoneinfo/Europe/Berlin", "Europe/Berlin"),
    ],
)  # fmt: skip
def test_tz_names_the_zone_of_the_machine(
    told: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a colon or without, as a name or as a file; empty it is UTC."""
    monkeypatch.setenv("TZ", told)
    zone, found = machine_zone()

    assert found == name
    at = datetime(2026, 7, 1, 12)
    assert zone.utcoffset(at) == ZoneInfo(name).utcoffset(at)


def test_a_zone_that_is_only_a_file_has_no_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its times are known all the same."""
    file = tmp_path / "localtime"
    file.write_bytes(Path("/usr/share/zoneinfo/Europe/Berlin").read_bytes())
    monkeypatch.setenv("TZ", str(file))
    zone, name = machine_zone()

    assert name is None
    at = datetime(2026, 7, 1, 12)
    assert zone.utcoffset(at) == ZoneInfo("Europe/Berlin").utcoffset(at)


@pytest.mark.parametrize("told", ["CET-1CEST,M3.5.0,M10.5.0/3", "Nowhere/City", "/etc/hostname"])
def test_a_tz_that_cannot_be_read_is_named(told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rule of POSIX, a zone that is none, a file that is none."""
    monkeypatch.setenv("TZ", told)
    with pytest.raises(ValueError, match="expected a time zone") as refused:
        machine_zone()

    assert told in str(refused.value)


def test_without_tz_the_machine_says_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it is here, it knows the time."""
    monkeypatch.delenv("TZ", raising=False)
    zone, _ = machine_zone()

    at = datetime(2026, 7, 1, 12)
    assert at.astimezone().utcoffset() == zone.utcoffset(at)
    assert zone_named(None) == machine_zone()
