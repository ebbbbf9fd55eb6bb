"""`tune doctor` as a user meets it: a real process each time."""

from __future__ import annotations

import json
from pathlib import Path

from syrupy.assertion import SnapshotAssertion

from tests.cli.test_cli import tune


def test_help(tmp_path: Path, snapshot: SnapshotAssertion) -> None:
    """The help text says what is looked at, with an example."""
    found = tune("doctor", "--help", cwd=tmp_path)

    assert found.returncode == 0
    assert found.stdout == snapshot


def test_the_doctor_answers_whatever_it_finds(tmp_path: Path) -> None:
    """--json is one document about engines and machine, the exit code 0, and no file is left."""
    found = tune("doctor", "--json", cwd=tmp_path)
    document = json.loads(found.stdout)

    assert found.returncode == 0, found.stderr
    assert document["schema"] == "tuner.doctor/1"
    kinds = {engine["topic"]: engine["usable"] for engine in document["engines"]}
    assert kinds.keys() == {"llamacpp", "ollama", "vllm", "command", "openai"}
    assert kinds["command"]
    assert {f["level"] for f in document["machine"]} <= {"ok", "note", "warning"}
    assert list(tmp_path.iterdir()) == []


def test_the_doctor_talks_to_people(tmp_path: Path) -> None:
    """Without --json each thing that was looked at is a line, and the last counts warnings."""
    found = tune("doctor", cwd=tmp_path)
    lines = found.stdout.splitlines()

    assert found.returncode == 0, found.stderr
    assert {"Engines", "This machine"} <= set(lines)
    assert "warning" in lines[-1]
