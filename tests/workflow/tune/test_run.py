"""Whole studies in virtual time: what is proven, what is not, and what is kept."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.workflow.worlds import Recorder, study, trial_folders, world
from tuner.evaluate.lateness import Terms, by_block
from tuner.evaluate.measured import Measured
from tuner.evaluate.measurement import measurement
from tuner.load import samples as sample_file
from tuner.report.documents import measurement_document, result_document
from tuner.search.error import ALPHAS
from tuner.search.result import Result
from tuner.spec.address import url
from tuner.spec.errors import EngineDied, InputError
from tuner.spec.space import Choices
from tuner.spec.values import Guard, Slo
from tuner.store.trial_folder import read_all
from tuner.testing.fake_engine import FakeEngine
from tuner.testing.simulated import SimulatedEngine
from tuner.testing.virtual_time import run as virtually
from tuner.workflow.measuring.measure import measure
from tuner.workflow.tune.run import run


def tuned(
    out: Path, served: SimulatedEngine | None = None, **changes: Any
) -> tuple[Result, Recorder]:
    """Tune the world's study in virtual time."""
    recorder = Recorder()
    made = served or SimulatedEngine(world)
    return virtually(run(study(**changes), out, recorder, made)), recorder


@pytest.fixture(scope="module")
def proven(tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, Path]:
    """Give a finished run of the ordinary world."""
    out = tmp_path_factory.mktemp("run") / "out"
    return tuned(out)[0], out


def test_the_target_is_proven_by_changing_several_knobs(proven: tuple[Result, Path]) -> None:
    """The best meets the target and the guard, and is better than the baseline at both."""
    result, _ = proven

    assert result.verdict == "PASS", result.reasons
    assert result.best is not None
    assert result.baseline is not None
    assert float(result.best_candidate["temperature"]) < 0.5
    assert int(result.best_candidate["num_batch"]) >= 64
    assert result.best.guard.correct.value > result.baseline.guard.correct.value  # type: ignore[operator]
    assert result.mean_gain is not None
    assert result.mean_gain.ratio.high < 1  # type: ignore[operator]


def test_a_verdict_rests_on_several_engine_starts_and_held_out_prompts(
    proven: tuple[Result, Path],
) -> None:
    """Finalist and baseline were measured afresh, each block on an engine start of its own."""
    result, out = proven
    assert result.best is not None
    searched = {s.cluster for t in result.trials for s in t.samples}
    confirmed = {s.cluster for s in result.best.samples}

    assert result.best.starts >= 4
    assert result.baseline is not None
    assert result.baseline.starts >= 4
    assert not searched & confirmed
    starts = [
        json.loads((folder / "effective.json").read_text())["engine_start"]
        for folder in (out / "trials").glob("*-[0-9]")
        if folder.name.startswith(("baseline", "finalist-1"))
    ]
    assert len(set(starts)) == len(starts)


def test_sides_take_turns_at_going_first_on_the_same_prompts(proven: tuple[Result, Path]) -> None:
    """B F F B: a steady change of pace favours nobody, and each prompt of B's is one of F's."""
    result, _ = proven
    assert result.best is not None
    assert result.baseline is not None
    ours, theirs = by_block(result.best.samples), by_block(result.baseline.samples)
    turns = sorted([(b[0].block, "F") for b in ours[:4]] + [(b[0].block, "B") for b in theirs[:4]])

    assert "".join(side for _, side in turns) == "BFFBBFFB"
    for mine, beside in zip(ours[:4], theirs[:4], strict=True):
        asked = [s.prompt_id for s in mine]
        assert [s.prompt_id for s in beside] == asked[: len(beside)]


def test_blocks_are_as_long_as_a_proof_still_takes(proven: tuple[Result, Path]) -> None:
    """Without a late request the verdict falls at the end of the last planned block."""
    result, _ = proven
    assert result.best is not None
    lengths = [len(block) for block in by_block(result.best.samples)]
    (certificate,) = result.best.certificates.values()

    assert certificate.late == 0
    assert len(lengths) == 4
    assert max(lengths) - min(lengths) <= 1
    assert sum(lengths) - certificate.n < 4


def test_the_best_s_numbers_are_recomputed_from_its_samples(proven: tuple[Result, Path]) -> None:
    """result.json holds nothing that the samples of the trials do not give again."""
    result, out = proven
    document = json.loads((out / "result.json").read_text())
    assert document == json.loads(json.dumps(result_document(result)))

    samples = read_side(out, "finalist-1")
    theirs = read_side(out, "baseline")
    assert result.best is not None
    terms = Terms(alpha=ALPHAS[0], starts=4,
                  baseline=tuple(s for s in theirs if not s.warmup))  # fmt: skip
    best = result.best
    measured = Measured(
        best.effective, tuple(samples), best.client, best.memory_bytes, resources=best.resources
    )
    again = measurement(result.study, best.candidate, measured, terms)
    assert (
        json.loads(json.dumps(measurement_document(again, result.study, result.environment)))
        == document["best"]
    )


def read_side(out: Path, name: str) -> list[Any]:
    """Return the samples of a side's blocks, in order."""
    folders = sorted(
        (out / "trials").glob(f"{name}-*"), key=lambda f: int(f.name.rsplit("-", 1)[1])
    )
    return [s for f in folders for s in sample_file.read(f / "samples.jsonl")]


def test_the_report_says_from_where_latencies_count(proven: tuple[Result, Path]) -> None:
    """Text and JSON of a run name the loop, and the instant from which it was measured."""
    _, out = proven
    document = json.loads((out / "result.json").read_text())
    text = " ".join((out / "report.txt").read_text().split())

    assert (document["loop"], document["counts_from"]) == ("closed", "sent")
    assert "closed loop, concurrency 1; latencies count from sending" in text


def test_every_trial_keeps_its_folder(proven: tuple[Result, Path]) -> None:
    """Candidate, settings in force, samples, log and artifact of each trial are there, whole."""
    result, out = proven
    names = {f.name for f in trial_folders(out)}

    screened = [t for t in result.trials if t.origin != "tightened"]
    assert {f"{t.number:04d}" for t in screened} <= names
    assert not [n for n in names if n.startswith(".")]
    for folder in trial_folders(out):
        files = {f.name for f in folder.iterdir()}
        assert {
            "candidate.json",
            "effective.json",
            "trial.json",
            "samples.jsonl",
            "engine.log",
            "Modelfile",
        } <= files


def test_the_frontier_is_part_of_the_result(proven: tuple[Result, Path]) -> None:
    """What nothing measured dominates is listed, and the best screened share is on it."""
    _, out = proven
    document = json.loads((out / "result.json").read_text())
    shares = [t["correct"] for t in document["trials"] if t["state"] == "complete"]

    assert document["frontier"]
    assert max(p["correct"] for p in document["frontier"]) == max(shares)
    assert "Frontier (" in (out / "report.txt").read_text()


def test_screening_is_held_against_the_proof(proven: tuple[Result, Path]) -> None:
    """For each finalist the result says what screening estimated and what was found."""
    result, out = proven
    document = json.loads((out / "result.json").read_text())["screening"]

    assert document["confirmed"] == len(result.finalists) > 0
    assert document["finalists"][-1]["verdict"] == "PASS"
    assert document["disagreed"] == sum(
        f["met"] != f["confirmed_met"] for f in document["finalists"]
    )
    assert "Screening and proof disagreed" in (out / "report.txt").read_text()


def test_a_run_stops_when_the_target_is_met(tmp_path: Path) -> None:
    """With stop_when_met the first candidate that can be proven ends the run early."""
    result, recorder = tuned(tmp_path / "o", stop_when_met=True)
    longer, _ = tuned(tmp_path / "p")

    assert result.verdict == "PASS", result.reasons
    assert result.spent["seconds"] < 0.8 * longer.spent["seconds"]
    assert recorder.phases[-1] == "confirmation"


@pytest.mark.parametrize(("max_drop", "first"), [(None, "finalist"), (0.05, "baseline")])
def test_a_first_proof_waits_for_the_baseline_only_where_answers_are_compared(
    tmp_path: Path, max_drop: float | None, first: str
) -> None:
    """What decides nothing comes after the verdict, and still comes."""
    asked = Guard(0.9, 0.5, max_drop)
    result, _ = tuned(tmp_path / "o", stop_when_met=True, guard=asked, budget_s=1200.0)
    blocks = [k.place.side for k in read_all(tmp_path / "o") if k.place.phase == "confirmation"]

    assert result.verdict == "PASS"
    assert blocks[0].startswith(first)
    assert blocks.count("baseline") == 4
    assert (blocks.index("baseline") > max(i for i, s in enumerate(blocks) if s != "baseline")) == (
        max_drop is None
    )


def test_an_impossible_target_is_not_met_early_either(tmp_path: Path) -> None:
    """With stop_when_met and nothing feasible the whole budget is searched, and ends."""
    result, _ = tuned(
        tmp_path / "o", stop_when_met=True, slos=(Slo("e2e", 0.99, 0.1),), budget_s=300.0
    )

    assert result.verdict != "PASS"


def test_the_objective_picks_along_the_frontier(tmp_path: Path) -> None:
    """The least e2e p99 asks for the largest batch; correctness for the coldest answers."""
    fast, _ = tuned(tmp_path / "f", objective="e2e_p99", guard=Guard(0.9))
    right, _ = tuned(tmp_path / "r", objective="correct")

    assert fast.best is not None
    assert right.best is not None
    assert int(fast.best_candidate["num_batch"]) >= 128
    assert float(right.best_candidate["temperature"]) < 0.3


def test_the_report_stands_beside_the_result(proven: tuple[Result, Path]) -> None:
    """report.txt holds the closing words: verdict, comparison, what changed."""
    text = (proven[1] / "report.txt").read_text()

    assert text.startswith("PROVEN: fewer than 1 % of requests take longer than 300 ms")
    assert "num_batch: 32 -> " in text
    assert "Gain in e2e over the baseline: mean" in " ".join(text.split())


def test_the_controls_are_measured(proven: tuple[Result, Path]) -> None:
    """Every study holds the baseline and the engine's default."""
    assert [t.origin for t in proven[0].trials][:2] == ["baseline", "default"]


def test_the_time_is_kept(proven: tuple[Result, Path]) -> None:
    """A run ends within its budget."""
    assert proven[0].spent["seconds"] <= 900


@pytest.mark.parametrize(
    ("restart_s", "budget_s"), [(20.0, 240.0), (20.0, 340.0), (45.0, 390.0), (45.0, 430.0)]
)
def test_a_run_of_long_starts_ends_within_its_budget(
    tmp_path: Path, restart_s: float, budget_s: float
) -> None:
    """No block of a proof begins for which there is no time, of a further finalist neither."""
    engine = SimulatedEngine(world, restart_s=restart_s)
    result, _ = tuned(tmp_path / "o", engine, budget_s=budget_s)

    assert result.spent["seconds"] <= budget_s


def test_the_same_seed_gives_the_same_run(tmp_path: Path) -> None:
    """Two runs of one seed propose the same candidates and end alike."""
    first, _ = tuned(tmp_path / "a", budget_s=300.0)
    second, _ = tuned(tmp_path / "b", budget_s=300.0)

    assert [t.candidate for t in first.trials] == [t.candidate for t in second.trials]
    assert first.best_candidate == second.best_candidate


def test_an_impossible_target_is_never_proven(tmp_path: Path) -> None:
    """Where nothing can meet the target, the best is named unproven, with what stood in the way."""
    result, _ = tuned(tmp_path / "o", slos=(Slo("e2e", 0.99, 0.1),), budget_s=300.0)

    assert result.verdict != "PASS"
    assert any("latency" in reason or "budget" in reason for reason in result.reasons)
    assert "NOT PROVEN" in (tmp_path / "o" / "Modelfile").read_text()


def test_fast_wrong_answers_do_not_win(tmp_path: Path) -> None:
    """A guard that nothing meets blocks the proof however fast the candidate is."""
    result, _ = tuned(
        tmp_path / "o", guard=Guard(0.9, 0.8), budget_s=400.0,
        space={"temperature": Choices((0.7, 0.9, 1.0)), "num_batch": Choices((32, 128))},
    )  # fmt: skip

    assert result.verdict != "PASS"
    assert any("min_correct" in reason for reason in result.reasons)


def test_what_answers_like_one_that_missed_a_floor_is_not_proven(tmp_path: Path) -> None:
    """A server's pace changes no answer: one finalist shows for all that the floor stays open."""
    hot = {"num_batch": 32, "temperature": 0.8, "num_predict": 128}
    result, recorder = tuned(
        tmp_path / "out",
        space={"num_batch": Choices((64, 128, 256))},
        baseline=hot,
        guard=Guard(0.9, 0.5),
        budget_s=2400.0,
    )

    assert result.verdict != "PASS"
    assert sum(note.startswith("finalist") for note in recorder.notes) == 1


def test_an_ignored_knob_makes_a_trial_infeasible(tmp_path: Path) -> None:
    """What the engine does not take is pruned with its name, and never chosen."""
    engine = SimulatedEngine(world, ignored=frozenset({"num_ctx"}))
    result, _ = tuned(
        tmp_path / "o", engine, budget_s=300.0,
        space={**study().space, "num_ctx": Choices((512, 4096))},
    )  # fmt: skip
    ignored = [t for t in result.trials if t.candidate["num_ctx"] == 512]

    assert ignored
    assert all(t.state == "pruned" and "num_ctx" in (t.reason or "") for t in ignored)
    assert result.best_candidate["num_ctx"] == 4096


def test_a_crash_is_a_trial_and_the_study_goes_on(tmp_path: Path) -> None:
    """Candidates that cannot be started are pruned; the others are still searched."""
    engine = SimulatedEngine(world, crashes=lambda c: c["num_batch"] == 256)
    result, _ = tuned(tmp_path / "o", engine, budget_s=400.0)
    crashed = [t for t in result.trials if t.candidate["num_batch"] == 256]

    assert all(t.state == "pruned" for t in crashed)
    assert result.best_candidate["num_batch"] != 256


def test_an_engine_that_never_starts_ends_the_run(tmp_path: Path) -> None:
    """When nothing at all can be measured, that is said, and what the first failure was."""
    engine = SimulatedEngine(world, crashes=lambda c: True)

    with pytest.raises(EngineDied, match="no candidate could be measured"):
        tuned(tmp_path / "o", engine, budget_s=60.0)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"slos": ()}, "no target"),
        ({"space": {}}, "space: missing"),
        ({"space": {"num_batsh": Choices((1, 2))}}, "did you mean num_batch"),
        ({"baseline": {"temprature": 1}}, "did you mean temperature"),
        ({"objective": "memory", "url": url("http://box:1")}, "does not show what it takes"),
        ({"space": {"system": Choices(("none", "full"))}}, "system: 'full' is not there"),
    ],
)
def test_what_cannot_be_tuned_is_refused_first(
    tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    """Bad input is a sentence before the engine is started."""
    with pytest.raises(InputError, match=words):
        tuned(tmp_path / "o", **changes)


def test_a_used_folder_is_never_overwritten(proven: tuple[Result, Path]) -> None:
    """A second run into the same folder is refused."""
    with pytest.raises(InputError, match="already holds a run"):
        tuned(proven[1])


def test_a_failed_start_keeps_the_engine_s_log(tmp_path: Path) -> None:
    """The trial folder of a candidate that could not be started says why, in the engine's words."""
    engine = FakeEngine(tmp_path / "o" / "engine", ("--oom-at-start",))
    with pytest.raises(EngineDied, match="out_of_memory"):
        asyncio.run(measure(study(engine="fake", space={}, guard=Guard()), tmp_path / "o",
                            settings={"num_batch": 128}, engine=engine))  # fmt: skip
    folder = tmp_path / "o" / "trials" / "0000"

    assert "failed to allocate" in (folder / "engine.log").read_text()
    assert "out_of_memory" in json.loads((folder / "trial.json").read_text())["failed"]


def test_measure_takes_exactly_so_many_requests(tmp_path: Path) -> None:
    """`tune measure` needs no space, guard or baseline, and its verdict carries its n."""
    bare = replace(study(), space={}, guard=Guard(), baseline={"num_batch": 128})
    found, _ = virtually(
        measure(bare, tmp_path / "m", requests=400, settings={"temperature": 0.1},
                engine=SimulatedEngine(world))
    )  # fmt: skip

    assert found.n == 400
    assert found.candidate["temperature"] == 0.1
    assert found.certificates[study().slos[0]].verdict == "PASS"


def test_measure_until_decided_stops_at_the_verdict(tmp_path: Path) -> None:
    """A target that is missed most of the time is decided within a few requests."""
    bare = replace(study(), space={}, guard=Guard(), slos=(Slo("e2e", 0.99, 0.1),))
    found, _ = virtually(
        measure(bare, tmp_path / "m", until_decided=True, engine=SimulatedEngine(world))
    )

    assert found.certificates[bare.slos[0]].verdict == "FAIL"
    assert found.n < 40


def test_a_run_without_a_guard_says_what_that_means(tmp_path: Path) -> None:
    """Whoever asks nothing of the answers is told at the start, and nobody else."""
    _, asked = tuned(tmp_path / "a", budget_s=60.0)
    _, unasked = tuned(tmp_path / "b", budget_s=60.0, guard=Guard())

    assert not any("no guard" in note for note in asked.notes)
    assert "a candidate may win by cutting its answers" in unasked.notes[0]
