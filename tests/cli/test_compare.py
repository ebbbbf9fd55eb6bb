"""`tune compare` as a user meets it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from tests.cli.test_cli import tune
from tests.workflow.measuring.test_compare import kept


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """Return a folder with two alike measurements and one with another model."""
    kept(tmp_path / "before", 100.0, spread=0.0)
    kept(tmp_path / "after", 50.0, spread=0.0)
    kept(tmp_path / "other", 50.0, model_digest="sha256:1")
    return tmp_path


def test_two_measurements_side_by_side(folders: Path, snapshot: SnapshotAssertion) -> None:
    """A table, what was claimed, and from which instant latencies count; exit code 0."""
    found = tune("compare", "before", "after", cwd=folders)

    assert found.returncode == 0, found.stderr
    assert found.stdout == snapshot
    assert found.stderr == ""


def test_unlike_ones_are_exit_6_unless_forced(folders: Path) -> None:
    """The difference is named on standard error, and stays a warning with --force."""
    refused = tune("compare", "before", "other", cwd=folders)
    forced = tune("compare", "before", "other", "--force", "--json", cwd=folders)
    document = json.loads(forced.stdout)

    assert (refused.returncode, refused.stdout) == (6, "")
    assert 'model_digest: A has "sha256:0", B has "sha256:1"' in refused.stderr
    assert "--force" in refused.stderr
    assert forced.returncode == 0
    assert "warning: not alike: model_digest" in forced.stderr
    assert document["schema"] == "tuner.comparison/1"
    assert document["unlike"] == [{"fact": "model_digest", "a": "sha256:0", "b": "sha256:1"}]


def test_what_is_no_measurement_is_exit_2(folders: Path) -> None:
    """A path without a document is bad input, in one sentence."""
    found = tune("compare", "before", "nowhere", cwd=folders)

    assert found.returncode == 2
    assert "nowhere: expected a measurement.json" in found.stderr
    assert "Traceback" not in found.stderr


def test_the_terms_are_said_on_request(folders: Path) -> None:
    """--verbose and TUNE_VERBOSE say what noise is, and leave the rest as it is."""
    short, asked, told = (
        tune("compare", "before", "after", *words, cwd=folders, **env).stdout
        for words, env in (((), {}), (("-v",), {}), ((), {"TUNE_VERBOSE": "1"}))
    )

    assert asked == told
    assert asked.startswith(short.rstrip())
    assert "Noise is what like sides reach" in asked.removeprefix(short.rstrip())
