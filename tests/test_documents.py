"""What the documents show is what happens."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from bench.__main__ import demo_table
from tuner.spec.study import load
from tuner.testing.fake_server import running

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^\$ (tune .*)$", README, re.MULTILINE)


def blocks(language: str) -> list[str]:
    """Return the README's fenced blocks of a language."""
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_the_readme_is_understood(command: str, tmp_path: Path) -> None:
    """Each `tune` line parses as a real command line does (its help stands in for the work)."""
    words = [w for w in shlex.split(command)[1:] if not w.endswith((".yaml", ".gguf"))]
    found = subprocess.run(
        [sys.executable, "-m", "tuner", *words, "--help"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )

    assert found.returncode == 0, found.stderr


def test_the_readme_s_own_study_can_be_measured(tmp_path: Path) -> None:
    """Copying the example study and its prompts out of the README works at the first try."""
    (study,), (prompts,) = blocks("yaml"), blocks("json")
    with running("--ttft-ms", "1", "--itl-ms", "0.1") as (_, port):
        (tmp_path / "prompts.jsonl").write_text(prompts)
        path = tmp_path / "study.yaml"
        path.write_text(study.replace("8080", str(port)))
        command = [
            sys.executable,
            "-m",
            "tuner",
            "measure",
            "study.yaml",
            "--requests",
            "10",
            "--json",
        ]
        found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

    assert load(path).engine == "openai"
    assert found.returncode == 3, found.stderr  # ten requests prove no p99
    assert json.loads(found.stdout)["n"] == 10


def test_the_recorded_runs_are_those_the_readme_quotes() -> None:
    """Each number of the README's table is the recorded one."""
    recorded = sorted((ROOT / "bench" / "recorded").glob("demo-*.json"))

    assert recorded
    for line in demo_table(recorded):
        assert line in README
