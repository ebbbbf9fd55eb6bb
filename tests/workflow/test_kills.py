"""`tune` killed at random moments, for real (bench/kills.py does it a hundred times)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bench.kills import STUDY, finished, kill_again_and_again, left_behind, start


@pytest.mark.timeout(180)
def test_kills_leave_no_process_and_lose_no_trial(tmp_path: Path) -> None:
    """After each of six kills the family is gone and finished trials are as they were."""
    kills = kill_again_and_again(tmp_path / "o", times=6, seed=1)

    assert [k.orphans for k in kills if k.orphans] == []
    assert [k.lost for k in kills if k.lost] == []
    assert kills[-1].finished > 0


def test_the_second_of_two_runs_in_one_folder_exits_75(tmp_path: Path) -> None:
    """While one run works on a folder another one is sent away, with a sentence."""
    with start(tmp_path / "o", "two-runs") as first:
        while not finished(tmp_path / "o"):
            assert first.poll() is None
        command = [sys.executable, "-m", "tuner", "run", *STUDY, "--out", str(tmp_path / "o")]
        second = subprocess.run(command, capture_output=True, text=True, timeout=30)
        first.terminate()
        assert first.wait(20) == 143

    assert second.returncode == 75
    assert "in use by another tune" in second.stderr
    assert left_behind("two-runs") == ()
