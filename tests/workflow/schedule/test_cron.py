"""The line of a crontab runs the job as it is meant."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from crontab import CronItem, CronTab

from tests.workflow.schedule.jobs import JOBS, LATE, ODD, ODD_FOLDER, USUAL
from tuner.spec.errors import InputError
from tuner.workflow.schedule.cron import plan
from tuner.workflow.schedule.job import Job, here


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in a folder with an odd name, with a short PATH, in UTC."""
    (tmp_path / ODD_FOLDER).mkdir()
    monkeypatch.chdir(tmp_path / ODD_FOLDER)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setenv("TZ", "UTC")


def tab(job: Job) -> CronTab:
    """Return the crontab that the library reads."""
    [text] = plan(job).files.values()
    return CronTab(tab=text, user=False)


def line(job: Job) -> CronItem:
    """Return its one line."""
    [item] = tab(job)
    return item


def as_cron_hands_it_over(job: Job) -> str:
    """Return the command for the shell: cron ends it at a percent without a backslash."""
    [text] = plan(job).files.values()
    command = text.splitlines()[-1].split(None, 5)[5]
    assert "%" not in command.replace("\\%", "")
    return command.replace("\\%", "%")


@pytest.mark.parametrize(("job", "when"), [(USUAL, "0 1 * * *"), (ODD, "30 22 * * *")])
def test_the_line_starts_when_the_window_opens(job: Job, when: str) -> None:
    """As a library for crontabs reads it."""
    item = line(job)

    assert item.is_valid()
    assert item.is_enabled()
    assert str(item.slices) == when


@pytest.mark.parametrize("job", JOBS)
def test_the_shell_runs_the_command_in_its_folder(job: Job, tmp_path: Path) -> None:
    """With its words and its environment, whatever they hold."""
    seen = tmp_path / "seen"
    program = tmp_path / "program"
    program.write_text(f'#!/bin/sh\npwd > {seen}\nenv >> {seen}\nprintf "%s\\n" "$@" >> {seen}\n')
    program.chmod(0o755)
    command = as_cron_hands_it_over(job).replace(shlex.quote(sys.executable), str(program), 1)
    subprocess.run(["/bin/sh", "-c", command], check=True, env={"HOME": "/"}, cwd="/")

    lines, runs = seen.read_text().splitlines(), here(job)
    assert lines[0] == os.fspath(Path.cwd())
    assert {f"{n}={v}" for n, v in runs.environment.items()} <= set(lines)
    assert lines[-len(runs.command) + 1 :] == list(runs.command[1:])


def test_a_window_in_another_zone_says_so_to_cron_and_to_people() -> None:
    """Debian's cron does not know the line, and the note says what happens then."""
    assert line(USUAL).env["CRON_TZ"] == "Europe/Berlin"
    [remark] = plan(USUAL).remarks
    assert "Debian's cron" in remark


@pytest.mark.parametrize("zone", ["UTC", "Etc/UTC", "Africa/Abidjan"])
def test_a_window_in_the_machine_s_zone_needs_no_word_of_it(zone: str) -> None:
    """Every cron takes it so, whatever the zone is called."""
    job = replace(USUAL, window=replace(LATE, zone=ZoneInfo(zone), zone_name=zone))

    assert "CRON_TZ" not in "".join(plan(job).files.values())
    assert plan(job).remarks == ()


@pytest.mark.parametrize(
    ("name", "said"),
    [("back\\slash", "backslash"), ("a\nb", "holds the character"), ("x" * 1000, "takes 998")],
)
def test_what_no_crontab_can_hold_is_refused(name: str, said: str) -> None:
    """With what to do instead."""
    with pytest.raises(InputError, match=said):
        plan(replace(USUAL, name=name))
