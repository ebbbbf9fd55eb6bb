"""`tune sweep` as a user meets it, on a real process of the fake engine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.cli.test_cli import tune

WORDS = ["sweep", "num_predict=8", "s.yaml", "--requests", "8", "--rounds", "2", "--out", "o"]


def study(folder: Path) -> None:
    """Write a study of the fake engine."""
    (folder / "p.jsonl").write_text('{"template": "a"}\n{"template": "b"}\n')
    (folder / "s.yaml").write_text(
        "version: 1\nname: s\nengine: {kind: fake, model: --ttft-ms 2 --itl-ms 0.1}\n"
        "workload: {prompts: p.jsonl}\nbaseline: {num_predict: 32}\n"
    )


def test_what_is_interrupted_goes_on(tmp_path: Path) -> None:
    """Ctrl-C is exit 130 and says how to go on; that needs only the rest of the blocks."""
    study(tmp_path)
    env = {**os.environ, "NO_COLOR": "1", "COLUMNS": "100"}
    first = subprocess.Popen(
        [sys.executable, "-m", "tuner", *WORDS], cwd=tmp_path, env=env, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert first.stderr is not None
    while "block 1 of 4" not in (line := first.stderr.readline()):
        assert line, "it ended before its first block"
    first.send_signal(signal.SIGINT)
    _, said = first.communicate(timeout=50)
    kept = len(list((tmp_path / "o" / "trials").iterdir()))
    again = tune(*WORDS, "--resume", "--json", cwd=tmp_path)
    document = json.loads(again.stdout)

    assert first.returncode == 130
    assert "go on with --out o --resume" in said
    assert 1 <= kept < 4
    assert again.returncode == 0, again.stderr
    assert again.stderr.count("min left") == 4 - kept
    assert document["schema"] == "tuner.sweep/1"
    assert document["complete"]
    assert document["values"][0]["measurement"]["guard"]["classes"] == {"truncated": 8}
    assert document == json.loads((tmp_path / "o" / "sweep.json").read_text())


def test_a_plan_starts_nothing(tmp_path: Path) -> None:
    """--dry-run says what would be measured, and writes nothing."""
    study(tmp_path)
    found = tune(*WORDS, "--dry-run", "--json", cwd=tmp_path)
    document = json.loads(found.stdout)

    assert document["schema"] == "tuner.sweep-plan/1"
    assert (document["blocks"], document["requests"]) == (4, 16)
    assert not (tmp_path / "o").exists()
