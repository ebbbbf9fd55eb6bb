"""The property list of launchd runs the job as it is meant."""

from __future__ import annotations

import plistlib
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.workflow.schedule.jobs import JOBS, LATE, ODD_FOLDER, USUAL
from tuner.spec.errors import InputError
from tuner.store.state_folder import state_folder
from tuner.workflow.schedule.job import STOP_S, Job
from tuner.workflow.schedule.launchd import plan


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in a folder with an odd name, in UTC."""
    (tmp_path / ODD_FOLDER).mkdir()
    monkeypatch.chdir(tmp_path / ODD_FOLDER)
    monkeypatch.setenv("TZ", "UTC")


def read(job: Job) -> Any:
    """Return what the property list says."""
    [text] = plan(job).files.values()
    return plistlib.loads(text.encode())


@pytest.mark.parametrize("job", [replace(job, window=LATE) for job in JOBS])
def test_it_runs_the_command_in_its_folder(job: Job) -> None:
    """When the window opens, with time to bring back what served."""
    found = read(job)

    assert found["ProgramArguments"] == [
        sys.executable, "-m", "tuner", *job.words(str(job.study))
    ]  # fmt: skip
    assert found["WorkingDirectory"] == str(Path.cwd())
    assert found["EnvironmentVariables"]["XDG_STATE_HOME"] == str(state_folder().parent)
    assert found["StartCalendarInterval"] == {"Hour": 22, "Minute": 30}
    assert found["ExitTimeOut"] == STOP_S
    [file] = plan(job).files
    assert file == f"{found['Label']}.plist"


def test_a_window_in_another_zone_is_refused() -> None:
    """Launchd knows only the machine's time."""
    with pytest.raises(InputError, match="not Europe/Berlin"):
        plan(USUAL)
