"""The closing words say what was held against what, and what nobody could look up."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.workflow.worlds import Recorder, study, world
from tuner.report.result import Result
from tuner.report.terminal import as_text, show_plan, show_result
from tuner.search.budget import plan
from tuner.testing.simulated import SimulatedEngine
from tuner.testing.virtual_time import run as virtually
from tuner.workflow.run import run


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """Give a finished run of a simulated world."""
    out = tmp_path_factory.mktemp("run") / "out"
    return virtually(run(study(budget_s=120.0), out, Recorder(), SimulatedEngine(world)))


def without_read_back(result: Result, *names: str) -> Result:
    """Return the result of an engine that does not tell what these settings are."""
    assert result.best is not None and result.best.effective is not None
    effective = replace(result.best.effective, unverified=names)
    return replace(result, best=replace(result.best, effective=effective))


def test_what_was_not_read_back_is_named(result: Result) -> None:
    """Settings taken on trust stand in the closing words; one that sends nothing does not."""
    shown = as_text(show_result(without_read_back(result, "num_predict", "format")))

    assert "Not read back from the engine, taken on trust: num_predict.\n" in shown
    assert "Not read back" not in as_text(show_result(result))


def test_without_expectations_no_share_of_right_answers_is_shown(result: Result) -> None:
    """Where no prompt says what is right, an answer that is whole is not called correct."""
    workload = result.study.workload
    bare = tuple(replace(t, expect=None) for t in workload.templates)
    unexpected = replace(result.study, workload=replace(workload, templates=bare))
    shown = as_text(show_result(replace(result, study=unexpected)))

    assert "correct %" in as_text(show_result(result))
    assert "valid %" in shown and "Frontier" in shown
    assert not [words for words in ("correct %", "  correct ", "most correct") if words in shown]


def test_a_plan_says_what_it_takes_a_request_to_last() -> None:
    """Before anything is measured that is four fifths of the target, which is known to nobody."""
    shown = show_plan(plan(study()), study()).plain

    assert "if a request takes 0.24 s: about " in shown
