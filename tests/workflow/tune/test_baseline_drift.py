"""The baseline is looked at again while the search goes on, cheaply, and a drift is reported."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.workflow.worlds import Recorder, study, world
from tuner.report.documents import result_document
from tuner.report.result import as_text, show_result
from tuner.search.result import Result
from tuner.spec.values import Candidate, Guard
from tuner.store import trial_folder
from tuner.store.trial_folder import StoredTrial
from tuner.testing.simulated import Answered, SimulatedEngine
from tuner.testing.virtual_time import run as virtually
from tuner.workflow.tune.run import run
from tuner.workflow.tune.searching.baseline_drift import REQUESTS, SHARE

BUDGET_S = 900.0

STUDY = study(budget_s=BUDGET_S, guard=Guard(0.9, 0.5))
"""No answers are compared, so that the baseline gets blocks after the verdict too."""


def slowing(settings: Candidate, text: str, rng: np.random.Generator) -> Answered:
    """Answer as the ordinary world does, on a machine that loses a third of its pace."""
    slower = 1 + 0.5 * asyncio.get_running_loop().time() / BUDGET_S
    answered, noise = world(settings, text, rng), float(rng.lognormal(0.0, 0.02))
    pace = slower * noise
    return replace(answered, ttft_s=answered.ttft_s * pace, tpot_s=answered.tpot_s * pace)


def looks(out: Path) -> list[StoredTrial]:
    """Return the looks at the baseline that a run kept."""
    return [k for k in trial_folder.read_all(out) if k.place.phase == "recheck"]


@pytest.fixture(scope="module")
def drifting(tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, Path]:
    """Give a finished run on a machine that becomes slower."""
    out = tmp_path_factory.mktemp("run") / "out"
    tuned = run(STUDY, out, Recorder(), SimulatedEngine(slowing))
    return virtually(tuned), out


def test_the_baseline_is_looked_at_between_trials(drifting: tuple[Result, Path]) -> None:
    """Each look is the baseline on prompts of the search, in a folder of its own."""
    result, out = drifting
    kept = looks(out)
    searched = {s.cluster for t in result.trials for s in t.samples}

    assert kept
    assert [k.name for k in kept] == [f"recheck-{n + 1}" for n in range(len(kept))]
    assert all(len(k.measured.counted) == REQUESTS for k in kept)
    assert {json.dumps(k.candidate) for k in kept} == {json.dumps(result.trials[0].candidate)}
    assert {s.cluster for k in kept for s in k.measured.counted} <= searched


def test_looking_is_cheap(drifting: tuple[Result, Path]) -> None:
    """All looks together take about the share of the time that is theirs."""
    spans = [
        (k.measured.samples[-1].last_ns or 0) - k.measured.samples[0].sent_ns
        for k in looks(drifting[1])
    ]

    assert sum(spans) / 1e9 < 1.5 * SHARE * BUDGET_S


def test_a_drift_is_found_and_said(drifting: tuple[Result, Path]) -> None:
    """The result names the drift and its size, in words and as JSON."""
    result, _ = drifting
    document = json.loads(json.dumps(result_document(result), allow_nan=False))["drift"]
    said = " ".join(as_text(show_result(result)).split())

    assert result.drift is not None
    assert document["found"]
    assert document["metric"] == "tpot"
    assert 1.15 < document["ratio"] < 1.6
    assert document["blocks"] >= 5
    assert "Drift: the baseline's time per output token became" in said
    assert "a steady trend over the proof is taken out" in said


def test_a_gain_has_no_part_of_the_drift(drifting: tuple[Result, Path]) -> None:
    """On a machine that becomes slower the ratio of means is about that of a steady one."""
    result, _ = drifting
    assert result.best is not None
    assert result.mean_gain is not None

    def takes_s(settings: Candidate) -> float:
        return 0.05 + 6.0 / float(settings["num_batch"]) + 11 * 0.01

    truth = takes_s(result.best.candidate) / takes_s(result.trials[0].candidate)
    assert result.mean_gain.ratio.value == pytest.approx(truth, rel=0.03)


def test_a_steady_machine_has_no_drift(tmp_path: Path) -> None:
    """Where the pace does not change none is claimed, and that is said."""
    tuned = run(study(budget_s=300.0), tmp_path / "o", Recorder(), SimulatedEngine(world))
    result = virtually(tuned)

    assert result.drift is not None
    assert not result.drift.trend.beyond_chance
    assert "Drift: none found" in as_text(show_result(result, verbose=True))
    assert "Drift" not in as_text(show_result(result))


def test_a_run_that_stops_at_its_first_proof_does_not_look(tmp_path: Path) -> None:
    """Its search is short, and its time to a proof is what counts."""
    stops = study(budget_s=300.0, stop_when_met=True)
    virtually(run(stops, tmp_path / "o", Recorder(), SimulatedEngine(slowing)))

    assert looks(tmp_path / "o") == []


def test_looks_of_an_earlier_part_count(drifting: tuple[Result, Path]) -> None:
    """A continued run judges the same drift from the folders alone, and looks no more."""
    result, out = drifting
    before = [k.name for k in looks(out)]
    again = run(STUDY, out, Recorder(), SimulatedEngine(slowing), resume=True)

    assert virtually(again).drift == result.drift
    assert [k.name for k in looks(out)] == before
