"""`tune report` as a user meets it."""

from __future__ import annotations

import json
from pathlib import Path

from syrupy.assertion import SnapshotAssertion

from tests.cli.test_cli import FAST, tune


def test_help(tmp_path: Path, snapshot: SnapshotAssertion) -> None:
    """It says what there is, with an example."""
    assert tune("report", "--help", cwd=tmp_path).stdout == snapshot


def test_a_page_its_data_and_its_short_form(tmp_path: Path) -> None:
    """The page's path, the document, and Markdown, each on standard output."""
    asked = ("measure", "--engine", "fake", "--model", FAST, "--requests", "20", "--quiet")
    tune(*asked, "--target-p99", "500", "--out", "o", cwd=tmp_path)
    written, short = (
        tune("report", "o", cwd=tmp_path),
        tune("report", "o", "--format", "md", cwd=tmp_path),
    )
    document = json.loads(tune("report", "o", "--json", cwd=tmp_path).stdout)

    assert (written.returncode, written.stdout) == (0, f"{Path('o/report.html')}\n"), written.stderr
    assert "<title>" in (tmp_path / "o" / "report.html").read_text()
    assert (document["schema"], document["folder"]) == ("tuner.report/1", "o")
    assert short.stdout.startswith("## ") and "| requests | 20 |" in short.stdout


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    """In one sentence, with exit code 2."""
    found = tune("report", "nowhere", cwd=tmp_path)

    assert (found.returncode, found.stdout) == (2, "")
    assert found.stderr.startswith("tune: nowhere: expected the folder of a run that has ended")
