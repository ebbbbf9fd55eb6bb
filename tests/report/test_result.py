"""The closing words say what was held against what, and what nobody could look up."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.workflow.worlds import Recorder, study, world
from tuner.report.gain_lines import gain_in_words
from tuner.report.plan import show_plan
from tuner.report.result import as_text, show_result
from tuner.search.budget import plan
from tuner.search.result import FewerLate, Gain, Result
from tuner.stats.quantiles import Bound
from tuner.testing.simulated import SimulatedEngine
from tuner.testing.virtual_time import run as virtually
from tuner.workflow.tune.run import run


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


def words_of(result: Result, **changes: Any) -> str:
    """Return what a result says of its gain, in one line."""
    return " ".join(gain_in_words(replace(result, **changes)).split())


def test_a_gain_is_said_of_what_shows_it(result: Result) -> None:
    """Mean and share late are claimed with their bounds; the noise floor stands beside them."""
    mean = Gain("e2e", None, Bound(0.88, 0.84, 0.92), 0.98)
    late = FewerLate(result.study.slos[0], Bound(-0.05, -0.08, -0.02), 0.9925)
    said = words_of(result, gain=None, median_gain=None, mean_gain=mean, late_gain=late,
                    noise_floor=0.04)  # fmt: skip

    assert "mean 12 % less (8 % to 16 % at 98.0% confidence)" in said
    assert "5.0 points fewer of the requests miss 300 ms (2.0 to 8.0 at 99.2% confidence)" in said
    assert "Noise floor 3.9%." in said
    assert "start that served" not in said
    served = replace(result.study, engine="openai")
    assert "It holds for the start that served" in words_of(result, mean_gain=mean, study=served)


def test_a_number_that_nobody_knows_is_no_zero(result: Result) -> None:
    """A baseline whose quantile is infinite has no ratio, yet its bounds may show a gain."""
    gain = Gain("e2e", 0.99, Bound(None, None, 0.9), 0.95)
    late = FewerLate(result.study.slos[0], Bound(None, -0.08, None), 0.95)
    said = words_of(result, gain=gain, median_gain=None, mean_gain=None, late_gain=late)

    assert "p99 ? % less (10 % to unbounded at" in said
    assert "? points fewer of the requests miss 300 ms (? to 8.0 at" in said


def test_where_no_gain_is_shown_late_requests_are_counted(result: Result) -> None:
    """Nothing is claimed, and what was seen of both sides is said as seen."""
    said = words_of(result, gain=None, median_gain=None, mean_gain=None, late_gain=None,
                    noise_floor=None)  # fmt: skip

    assert said.startswith("Gain in e2e: none claimed (noise floor unknown).")
    assert "Late, as counted:" in said


def test_a_plan_says_what_it_takes_a_request_to_last() -> None:
    """Before anything is measured that is four fifths of the target, which is known to nobody."""
    shown = show_plan(plan(study()), study()).plain

    assert "if a request takes 0.24 s: about " in shown
