"""An engine that tells what settings come to: fewer starts, and none for what is alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.workflow.worlds import Recorder, study, world
from tuner.report.documents import result_document
from tuner.report.plan import show_plan
from tuner.report.result import as_text, show_result
from tuner.search.budget import plan
from tuner.search.result import Result
from tuner.spec.knobs import Knob
from tuner.spec.space import Choices, Range
from tuner.spec.values import Candidate, Setting
from tuner.testing.resolving import ResolvingEngine
from tuner.testing.simulated import KNOBS
from tuner.testing.virtual_time import run as virtually
from tuner.workflow.tune.run import run

FLAGS: Mapping[str, Knob] = {
    **{n: k for n, k in KNOBS.items() if n != "num_ctx"},
    "graphs": Knob("graphs", "restart", 8),
    "threshold": Knob("threshold", "restart", 0),
}
SPACE = {
    "num_batch": Choices((32, 64, 128, 256)),
    "temperature": Range(0.0, 1.0),
    "num_predict": Range(4, 64, step=4),
}


def settled(candidate: Candidate) -> dict[str, Setting]:
    """Return a candidate whose graphs are cut to a grid, and whose threshold does nothing."""
    return {**candidate, "graphs": int(candidate["graphs"]) // 8 * 8, "threshold": 0}


def tuned(tmp_path: Path, space: Mapping[str, Any], **changes: Any) -> tuple[Result, Any, Recorder]:
    """Return a run over an engine whose starts take a minute or more."""
    engine = ResolvingEngine(
        world,
        knobs=FLAGS,
        compiled_by=frozenset({"num_batch", "graphs"}),
        settled=settled,
        **changes,
    )
    asked = replace(study(), space={**SPACE, **space}, budget_s=2400.0)
    recorder = Recorder()
    return virtually(run(asked, tmp_path / "out", recorder, engine)), engine, recorder


def said(result: Result) -> str:
    """Return all that is said of a result."""
    return as_text(show_result(result, verbose=True))


def test_a_knob_of_which_nothing_comes_is_left_out(tmp_path: Path) -> None:
    """All values of one come to the same: it is dropped before the first start, and named."""
    result, _, recorder = tuned(tmp_path, {"threshold": Choices((0, 512, 4096))})

    assert {t.candidate["threshold"] for t in result.trials} == {0}
    assert any(note.startswith("threshold is left out") for note in recorder.notes)
    assert "threshold" in result.inert
    assert "Without effect, and not searched: threshold" in as_text(
        show_result(result, verbose=True)
    )


def test_what_comes_to_the_same_is_measured_once(tmp_path: Path) -> None:
    """A value that is cut is a duplicate of what it is cut to, and the result says so."""
    result, _, _ = tuned(tmp_path, {"graphs": Choices((8, 9, 10, 11, 12, 13, 16))})
    alike = [t for t in result.trials if t.same_as is not None]
    whole = {t.number: t for t in result.trials}

    assert alike
    for trial in alike:
        twin = whole[trial.same_as]
        assert settled(trial.candidate) == settled(twin.candidate)
        assert trial.samples == ()
    assert "Not measured, since they amount to other trials" in as_text(
        show_result(result, verbose=True)
    )


def test_a_refused_candidate_costs_no_time(tmp_path: Path) -> None:
    """What the engine refuses beforehand is a failed trial without a start."""

    def refuses(candidate: Candidate) -> str | None:
        return "too large" if int(candidate["num_batch"]) > 128 else None

    result, _, _ = tuned(tmp_path, {}, refuses=refuses)
    refused = [t for t in result.trials if t.candidate["num_batch"] == 256]

    assert refused
    assert all("too large" in str(t.reason) for t in refused)
    assert result.verdict == "PASS"


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, ResolvingEngine]:
    """Return a run over the usual space, and its engine."""
    result, engine, _ = tuned(tmp_path_factory.mktemp("plain"), {})
    return result, engine


def test_starts_are_told_with_their_kind_and_share(plain: tuple[Result, ResolvingEngine]) -> None:
    """The result has each start's seconds, whether it was cold, and the share of the time."""
    result, engine = plain
    document = result_document(result)["starting"]

    assert [s["seconds"] for s in document["starts"]] == [s.seconds for s in engine.started]
    assert {s["kind"] for s in document["starts"]} == {"cold", "warm"}
    assert document["share"] == round(document["seconds"] / result.spent["seconds"], 4)
    assert "of the time:" in said(result)


def test_requests_are_explored_on_a_running_server(plain: tuple[Result, ResolvingEngine]) -> None:
    """More candidates are measured than servers are started, though proofs start some."""
    result, _ = plain
    measured = [t for t in result.trials if t.samples and t.of is None]

    assert len(measured) > 2 * len({t.candidate["num_batch"] for t in measured})


def test_the_plan_says_how_long_starts_take() -> None:
    """Before anything begins it tells how many starts to expect, and of how many seconds."""
    asked = study()

    assert "engine starts of some 1.5 s each" in str(show_plan(plan(asked), asked))
