"""The units of systemd run the job as it is meant."""

from __future__ import annotations

import math
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.engines.units import words_of
from tests.workflow.schedule.jobs import JOBS, ODD, ODD_FOLDER, USUAL, WATCHING
from tuner.engines.serving.process import GRACE_S, KILL_S
from tuner.spec.file.parts import parse_duration
from tuner.workflow.schedule.job import Job
from tuner.workflow.schedule.systemd import plan

SYSTEMD = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not here")


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in a folder with an odd name."""
    (tmp_path / ODD_FOLDER).mkdir()
    monkeypatch.chdir(tmp_path / ODD_FOLDER)


def setting(text: str, name: str) -> str:
    """Return the one value of a setting of a unit."""
    [value] = [x.partition("=")[2] for x in text.splitlines() if x.startswith(f"{name}=")]
    return value


def units(job: Job) -> tuple[str, str]:
    """Return the texts of service and timer."""
    files = plan(job).files
    return files[f"{job.called}.service"], files[f"{job.called}.timer"]


@pytest.mark.parametrize("job", JOBS)
def test_the_service_runs_the_command_in_its_folder(job: Job) -> None:
    """Its words are read as they are, whatever they hold."""
    service, _ = units(job)
    words = words_of(setting(service, "ExecStart"), sys.executable)

    assert words == [sys.executable, "-m", "tuner", *job.words(str(job.study))]
    assert setting(service, "WorkingDirectory").replace("%%", "%") == f"{Path.cwd()}/"


def test_the_command_says_name_window_and_budget() -> None:
    """So that it ends with the window, wherever it is started."""
    assert USUAL.words("/srv/study/tune.yaml") == (
        "retune", "/srv/study/tune.yaml", "--name", "my-assistant",
        "--window", "01:00-05:00 Europe/Berlin", "--budget", "7200s",
    )  # fmt: skip
    assert ODD.words(None)[:2] == ("retune", "--name")
    assert WATCHING.words(None)[-3:] == ("--watch", "28800s", "--pause-production")


@pytest.mark.parametrize("seconds", [0.5, 90.0, 28800.0, 1234567.0, 31536000.0])
def test_each_duration_is_said_as_the_command_takes_it(seconds: float) -> None:
    """Also a long one; parts of a second are rounded up."""
    words = replace(USUAL, budget_s=seconds, watch_s=seconds).words(None)
    said = [words[words.index(option) + 1] for option in ("--budget", "--watch")]

    assert [parse_duration(text) for text in said] == [math.ceil(seconds)] * 2


def test_a_night_that_watches_is_not_ended_before_it_is_done() -> None:
    """What is promoted at the window's end is watched from then on."""
    found = [int(setting(units(job)[0], "TimeoutStartSec")) for job in (USUAL, WATCHING)]

    assert found[1] - found[0] == 8 * 3600


def test_the_service_leaves_time_to_bring_back_what_served() -> None:
    """More than the engine's own stop; a second night is no failure."""
    service, _ = units(USUAL)

    assert int(setting(service, "TimeoutStopSec")) > 10 * (GRACE_S + KILL_S)
    assert setting(service, "Type") == "oneshot"
    assert setting(service, "SuccessExitStatus") == "75"
    assert int(setting(service, "TimeoutStartSec")) >= 5 * 3600  # clocks may be set back


@pytest.mark.parametrize(
    ("job", "calendar"),
    [(USUAL, "*-*-* 01:00:00 Europe/Berlin"), (ODD, "*-*-* 22:30:00 UTC")],
)
def test_the_timer_starts_it_when_the_window_opens(job: Job, calendar: str) -> None:
    """In the window's zone, and again after a night that was missed."""
    _, timer = units(job)

    assert setting(timer, "OnCalendar") == calendar
    assert setting(timer, "Persistent") == "true"
    assert 0 < int(setting(timer, "RandomizedDelaySec")) <= 300


@SYSTEMD
@pytest.mark.parametrize("job", JOBS)
def test_systemd_takes_the_units(job: Job, tmp_path: Path) -> None:
    """Its own check finds nothing to say."""
    for name, text in plan(job).files.items():
        (tmp_path / name).write_text(text)
    names = [str(tmp_path / name) for name in plan(job).files]
    said = subprocess.run(
        ["systemd-analyze", "verify", *names], capture_output=True, text=True, check=True
    )

    assert job.called not in said.stderr
    _, timer = units(job)
    subprocess.run(["systemd-analyze", "calendar", setting(timer, "OnCalendar")], check=True)
