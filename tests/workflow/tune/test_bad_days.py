"""Bad days of a whole run, on real processes: no room left, a clock that jumps."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

FAST = "--ttft-ms 1 --itl-ms 0.1 --prompt-us-per-token 1"
TUNE = (sys.executable, "-m", "tuner")
STUDY = ("--engine", "fake", "--model", FAST, "--target-p99", "2", "--budget", "8s")

FULL = """
mount -t tmpfs -o size=20m none disk || exit 99
head -c 20100k /dev/zero > disk/ballast
"$@" --out disk/o
echo "first $?" >&2
find disk/o/trials -maxdepth 1 -name '[0-9]*' -exec test ! -s {}/trial.json \\; -print >&2
rm disk/ballast
"$@" --out disk/o --resume
echo "second $?" >&2
"""


def test_a_full_disk_ends_the_run_in_a_sentence_and_the_run_goes_on(tmp_path: Path) -> None:
    """With no room left what is finished stays whole; with room again --resume goes on."""
    (tmp_path / "disk").mkdir()
    unshare = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", FULL, "sh"]
    if shutil.which("unshare") is None:
        pytest.skip("a small disk of one's own needs unshare (Linux)")
    found = subprocess.run(
        [*unshare, *TUNE, *STUDY, "--quiet"], cwd=tmp_path, capture_output=True, text=True
    )
    if found.returncode == 99 or "unshare:" in found.stderr:
        pytest.skip("this system allows no mount of one's own")
    lines = found.stderr.splitlines()
    first, second = lines.index("first 1"), lines.index("second 3")

    assert any("cannot" in line and "--resume" in line for line in lines[:first]), found.stderr
    assert lines[first + 1 : second] == []  # no finished trial is half there
    assert "Traceback" not in found.stderr
    assert "NOT PROVEN" in found.stdout


def test_a_clock_that_jumps_changes_no_latency(tmp_path: Path) -> None:
    """The wall clock of `tune` jumps by hours at every look; what is measured stays sane."""
    (tmp_path / "sitecustomize.py").write_text(
        "import itertools, time\n"
        "real, jumps = time.time, itertools.cycle([0.0, 7200.0, -7200.0])\n"
        "time.time = lambda: real() + next(jumps)\n"
    )
    command = [*TUNE, "measure", "--engine", "fake", "--model", FAST, "--requests", "40", "--json"]
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    found = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
    measured = json.loads(found.stdout)["e2e"]["quantiles"]

    assert all(0 < measured[q]["value"] < 30 for q in ("0.5", "0.99"))
