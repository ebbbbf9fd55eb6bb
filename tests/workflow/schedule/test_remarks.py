"""What will be otherwise at night is said by day."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.workflow.schedule.jobs import USUAL
from tests.workflow.worlds import study
from tuner.spec.notify import Notify
from tuner.workflow.schedule.remarks import remarks


def test_a_job_that_lacks_nothing_has_no_remark(tmp_path: Path) -> None:
    """With messages and metrics."""
    told = replace(study(), notify=Notify("URLS", textfile=tmp_path))

    assert list(remarks(USUAL, told)) == []
    assert list(remarks(USUAL, study())) == []


def test_a_variable_of_now_is_named_without_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may hold a secret."""
    monkeypatch.setenv("TUNE_NOTIFY_URLS", "json://5ecret00")

    assert list(remarks(USUAL, study())) == ["set here, and not at night: TUNE_NOTIFY_URLS"]


def test_a_budget_beyond_the_window_is_named() -> None:
    """It does not fail: the night ends with the window."""
    [remark] = remarks(replace(USUAL, budget_s=5 * 3600.0), study())

    assert "after 4 h" in remark


def test_a_watch_into_the_next_night_is_named() -> None:
    """The next night does not begin while it goes on."""
    [remark] = remarks(replace(USUAL, watch_s=20 * 3600.0), study())

    assert "a watch of 20 h may last into the next night" in remark
    assert list(remarks(replace(USUAL, watch_s=19 * 3600.0), study())) == []


def test_a_folder_for_metrics_that_is_not_there_is_named(tmp_path: Path) -> None:
    """Before the first night finds out."""
    told = replace(study(), notify=Notify(textfile=tmp_path / "gone"))
    [remark] = remarks(USUAL, told)

    assert str(tmp_path / "gone") in remark
