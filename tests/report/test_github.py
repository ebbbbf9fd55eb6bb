"""What is told to GitHub Actions arrives as it was said."""

from __future__ import annotations

from pathlib import Path

import pytest

from tuner.report.check import cell
from tuner.report.github import annotation, append_summary, on_github


def test_an_annotation_is_one_line_whatever_it_says() -> None:
    """Signs that end a command or a property are escaped as the toolkit does it."""
    found = annotation("error", "check a,b: c", "50 % late\r\n::warning::no")

    assert found == "::error title=check a%2Cb%3A c::50 %25 late%0D%0A::warning::no"


def test_a_summary_is_added_to_what_is_there(tmp_path: Path) -> None:
    """Other steps of a job write into the same file."""
    file = tmp_path / "summary.md"
    file.write_text("before\n")

    assert append_summary({"GITHUB_STEP_SUMMARY": str(file)}, "after\n") is None
    assert file.read_text() == "before\nafter\n"


def test_without_the_variable_nothing_is_written() -> None:
    """Nor where it is empty."""
    assert append_summary({}, "x") is None
    assert append_summary({"GITHUB_STEP_SUMMARY": ""}, "x") is None


def test_a_summary_that_cannot_be_written_is_said_and_raises_nothing(tmp_path: Path) -> None:
    """A folder in its place, or a name that no file can have."""
    for where in (str(tmp_path), "a\0b"):
        said = append_summary({"GITHUB_STEP_SUMMARY": where}, "x")
        assert said is not None
        assert "was not written" in said


@pytest.mark.parametrize(("told", "expected"), [("true", True), ("", False), ("false", False)])
def test_a_job_is_known_by_its_variable(told: str, expected: bool) -> None:
    """As GitHub sets it."""
    assert on_github({"GITHUB_ACTIONS": told}) is expected
    assert not on_github({})


def test_a_cell_shows_its_text_as_it_is() -> None:
    """No sign of Markdown or HTML takes effect, and no table breaks."""
    assert cell("a|b\n`c` <d> *e*") == "a\\|b \\`c\\` &lt;d&gt; \\*e\\*"
