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


NO_ENGINE = ("--engine", "llamacpp", "--model", "nowhere.gguf", "--target-p99", "9")


@pytest.mark.timeout(120)
def test_the_second_of_two_runs_in_one_folder_exits_75(tmp_path: Path) -> None:
    """It is sent away with a sentence, and before it makes an engine, which may change files."""
    with start(tmp_path / "o", "two-runs") as first:
        while not finished(tmp_path / "o"):
            assert first.poll() is None
        second = [
            _tune(*words, "--out", str(tmp_path / "o"))
            for words in (
                ("run", *STUDY),
                ("run", *STUDY, "--resume"),
                ("run", *NO_ENGINE, "--resume"),
                ("measure", *NO_ENGINE),
                ("capacity", *NO_ENGINE),
            )
        ]
        first.terminate()
        assert first.wait(20) == 143

    assert [found.returncode for found in second] == [75] * 5
    assert all("in use by another tune" in found.stderr for found in second)
    assert left_behind("two-runs") == ()


@pytest.mark.parametrize("command", ["run", "measure", "capacity"])
def test_a_folder_in_which_nothing_was_begun_can_be_used_again(
    tmp_path: Path, command: str
) -> None:
    """An engine that cannot be made costs no --out: the next command finds it unused."""
    out = ("--out", str(tmp_path / "o"))
    first, second = (_tune(command, *NO_ENGINE, *out) for _ in range(2))
    third = _tune("measure", "--engine", "fake", "--requests", "5", *out)

    assert [found.returncode for found in (first, second)] == [2, 2]
    assert "no such model file" in second.stderr
    assert third.returncode == 3, third.stderr


def _tune(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tuner", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=50)
