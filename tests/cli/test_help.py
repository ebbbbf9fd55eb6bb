"""Help texts of small commands."""

from __future__ import annotations

import pytest
from click.testing import CliRunner
from syrupy.assertion import SnapshotAssertion

from tuner.cli.main import cli


@pytest.mark.parametrize("words", ["sweep", "config show", "paths", "completion"])
def test_help(words: str, snapshot: SnapshotAssertion) -> None:
    """Each says what there is, with an example."""
    found = CliRunner(env={"COLUMNS": "100"}).invoke(cli, [*words.split(), "--help"])

    assert found.exit_code == 0
    assert "Example:" in found.stdout
    assert found.stdout == snapshot
