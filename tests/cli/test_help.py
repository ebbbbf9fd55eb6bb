"""Help texts of small commands, each from a process of its own: click keeps one once it is made."""

from __future__ import annotations

from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from tests.cli.test_cli import tune


@pytest.mark.parametrize("words", ["sweep", "config show", "paths", "completion"])
def test_help(words: str, tmp_path: Path, snapshot: SnapshotAssertion) -> None:
    """Each says what there is, with an example."""
    found = tune(*words.split(), "--help", cwd=tmp_path)

    assert found.returncode == 0
    assert "Example:" in found.stdout
    assert found.stdout == snapshot
