"""The closing words say what was held against what, and what nobody could look up."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.workflow.worlds import Recorder, study, world
from tuner.report.gain_lines import better_in_words, gain_in_words
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
    shown = as_text(show_result(replace(result, study=unexpected), verbose=True))

    assert "correct %" in as_text(show_result(result))
    assert "valid %" in shown and "Frontier" in shown and "Answers  " in shown
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


JARGON = ("Terms:", "m = ", "Frontier", "Screening", "bracket", "standard deviation")


def test_what_was_asked_comes_first(result: Result) -> None:
    """Verdict, gain, answers, what it holds for, files and commands; only then figures."""
    lines = as_text(show_result(result)).splitlines()
    labels = [line.split("  ")[0] for line in lines[: lines.index("")]]
    found = [label for label in labels if label and not label.startswith(" ")]

    assert found[0].startswith("NOT PROVEN (UNDECIDED): it is open whether fewer than 1 %")
    assert [label for label in found if label[0].isupper()][1:] == [
        "Gain", "Answers", "Holds for", "Model", "Changed", "Files", "Into service", "And back",
    ]  # fmt: skip


def test_the_terms_are_said_on_request(result: Result) -> None:
    """Without `verbose` no jargon; with it all of that, and nothing of the short form is lost."""
    short, full = as_text(show_result(result)), as_text(show_result(result, verbose=True))

    assert not [words for words in JARGON if words in short]
    assert not [words for words in JARGON if words not in full]
    assert set(short.splitlines()[:-1]) <= set(full.splitlines())
    assert str(result.out / "report.txt") in short.splitlines()[-1]
    assert (result.out / "report.txt").read_text() == full


def test_who_doubts_a_number_finds_what_it_rests_on(result: Result) -> None:
    """The short form has n, intervals, confidence, engine starts, window and load."""
    best = result.best
    assert best is not None
    said = " ".join(as_text(show_result(result)).split())
    (certificate,) = best.certificates.values()

    assert f"{certificate.late} of {best.n} did, p99 186 [185, ?] ms, 97.5% confidence" in said
    assert f"{best.n} requests from 120 templates, 2 engine starts, 38 s of this machine" in said
    assert "closed loop, concurrency 1; latencies count from sending" in said
    assert "noise floor 3.0%" in said
    assert f"points on {best.guard.pairs} prompts that both answered" in said


def test_what_makes_a_number_doubtful_is_in_the_short_form(result: Result) -> None:
    """Failures and disturbances."""
    assert result.best is not None
    failed = replace(result, best=replace(result.best, failure_reasons={"HTTP 500": 3}))

    assert "  - best: Failed, of 205 requests: 3 x HTTP 500" in as_text(show_result(failed))


def test_no_gain_is_said_beside_the_noise(result: Result) -> None:
    """Where sides were not compared it is not said that there was none."""
    nothing: dict[str, Any] = {
        "gain": None, "mean_gain": None, "median_gain": None, "late_gain": None,
    }  # fmt: skip
    within = better_in_words(replace(result, **nothing, noise_floor=0.05))
    unknown = better_in_words(replace(result, **nothing, noise_floor=None))

    assert within.startswith("no gain in e2e above the noise floor of 4.9%. Late, as counted: ")
    assert unknown.startswith("none: e2e of baseline and best was not compared.")
    kept = better_in_words(replace(result, **nothing, noise_floor=None, changed={}))
    assert kept == "none: the baseline itself is the best that was found."


def test_a_run_that_measured_nothing_says_so(result: Result) -> None:
    """No verdict, no figure and no command is made up."""
    said = as_text(show_result(replace(result, best=None, baseline=None, artifacts={})))

    assert "no candidate could be measured" in said
    assert "tune apply" not in said and "Gain" not in said
