"""`tune lint` and `tune diff` as a user meets them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from tests.cli.test_cli import tune

WRONG = """\
FROM ./missing.gguf
PARAMETER num_ctx 2048
PARAMETER max_tokens 100
SYSTEM \"\"\"\"\"\"
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with a Modelfile full of mistakes and one without; Ollama has no models."""
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path / "models"))
    (tmp_path / "wrong").write_text(WRONG, encoding="utf-8")
    (tmp_path / "right").write_text("FROM qwen3:0.6b\nPARAMETER num_ctx 4096\n", encoding="utf-8")
    return tmp_path


def test_errors_are_exit_4(folder: Path, snapshot: SnapshotAssertion) -> None:
    """Each finding has its file and line, and the last line counts them."""
    found = tune("lint", "wrong", "right", cwd=folder)

    assert (found.returncode, found.stderr) == (4, "")
    assert found.stdout == snapshot


def test_a_healthy_file_is_exit_0(folder: Path) -> None:
    """And one sentence."""
    found = tune("lint", "right", cwd=folder)

    assert (found.returncode, found.stdout) == (0, "1 file: nothing to say\n")


def test_findings_are_json_for_programs(folder: Path) -> None:
    """With a schema and counts, and the same exit code."""
    found = tune("lint", "wrong", "--json", cwd=folder)
    document = json.loads(found.stdout)

    assert found.returncode == 4
    assert document["schema"] == "tuner.lint/1"
    assert document["counts"]["error"] == 1
    assert {"line": 3, "severity": "error", "rule": "refused"}.items() <= next(
        f for f in document["files"][0]["findings"] if f["line"] == 3
    ).items()


def test_a_missing_file_is_exit_2(folder: Path) -> None:
    """It is named, and so is what to do."""
    found = tune("lint", "nowhere", cwd=folder)

    assert found.returncode == 2
    assert "nowhere cannot be read" in found.stderr


def test_a_difference_has_its_cost(folder: Path, snapshot: SnapshotAssertion) -> None:
    """A table for people; for programs the changes and what they cost together."""
    (folder / "other").write_text("FROM qwen3:0.6b\nPARAMETER num_ctx 8192\n", encoding="utf-8")
    table = tune("diff", "right", "other", cwd=folder)
    document = json.loads(tune("diff", "right", "other", "--json", cwd=folder).stdout)

    assert table.returncode == 0, table.stderr
    assert table.stdout == snapshot
    assert (document["schema"], document["cost"]) == ("tuner.diff/1", "reload")
    assert document["changes"] == [
        {"what": "PARAMETER num_ctx", "a": "4096", "b": "8192", "cost": "reload"}
    ]
