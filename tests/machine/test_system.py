"""Operating systems: what does not work on one is said in a sentence, with the next step."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import tuner
from tuner.machine.system import can_measure, ensure_can_measure, limits
from tuner.spec.errors import EngineMissing

POSIX_ONLY = {"fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty"}


@pytest.mark.parametrize("platform", ["linux", "darwin", "freebsd14"])
def test_where_there_are_signals_and_groups_it_is_measured(platform: str) -> None:
    """Only Linux has no limits."""
    ensure_can_measure(platform)

    assert can_measure(platform)
    assert (limits(platform) is None) == (platform == "linux")


@pytest.mark.parametrize("platform", ["win32", "cygwin"])
def test_on_windows_the_next_step_is_told(platform: str) -> None:
    """The exit code is that of an engine that cannot be had."""
    with pytest.raises(EngineMissing, match=r"`wsl --install`.*tune init, study, lint") as told:
        ensure_can_measure(platform)

    assert told.value.exit_code == 5
    assert limits(platform) == str(told.value)


def test_no_module_needs_to_be_imported_that_windows_lacks() -> None:
    """`tune lint` starts everywhere: what only POSIX has is imported where it is used."""
    for file in Path(tuner.__file__).parent.rglob("*.py"):
        for statement in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(statement, ast.Import):
                assert not POSIX_ONLY & {name.name for name in statement.names}, file
            if isinstance(statement, ast.ImportFrom):
                assert statement.module not in POSIX_ONLY, file
