"""Whole iterations in virtual time: when they end, what they may say, and how they go on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.workflow.tune.iterating.worlds import (
    STEP,
    narrow,
    narrow_study,
    rounds,
    steps,
    steps_study,
)
from tests.workflow.worlds import Recorder
from tools.reference import files
from tuner.search.error import (
    ALPHAS,
    ROUNDS,
)
from tuner.search.trial import Trial
from tuner.spec.errors import InputError, NotComparable
from tuner.spec.space import Choices
from tuner.spec.values import Guard, Slo
from tuner.store.run_folder import claimed
from tuner.testing.simulated import SimulatedEngine
from tuner.testing.virtual_time import run as virtually
from tuner.workflow.measuring.compare import compare
from tuner.workflow.service.proposal import release_of
from tuner.workflow.tune.iterating.result import Iterated
from tuner.workflow.tune.run import run


@pytest.fixture(scope="module")
def proven(tmp_path_factory: pytest.TempPathFactory) -> Iterated:
    """Give an iteration that needs two rounds."""
    return rounds(narrow_study(), tmp_path_factory.mktemp("proven") / "o", narrow)


def test_a_target_that_one_round_proves_takes_one(tmp_path: Path) -> None:
    """It ends there, and says which round it was with which part of the error."""
    found = rounds(narrow_study(seed=3), tmp_path / "o", narrow)

    assert found.proven
    assert [r.verdict for r in found.rounds] == ["PASS"]
    assert found.document["iteration"]["ended"] == "proven"
    assert (
        "proven in round 1, which had 2.5 % of the error of 5 %"
        in found.document["iteration"]["said"]
    )


def test_a_later_round_proves_what_the_first_did_not(proven: Iterated) -> None:
    """Its result is the one at the top, which names both rounds and holds the files."""
    document = json.loads((proven.out / "result.json").read_text())

    assert [r.verdict for r in proven.rounds] == ["FAIL", "PASS"]
    assert document["schema"] == "tuner.result/1"
    assert document["verdict"] == "PASS"
    assert document["best_round"] == 2
    assert [r["folder"] for r in document["rounds"]] == ["rounds/1", "rounds/2"]
    assert (proven.out / "report.txt").read_text().rstrip().endswith("all rounds share.")
    for name in document["artifacts"]:
        assert (proven.out / name).read_bytes() == (proven.out / "rounds/2" / name).read_bytes()


def test_every_key_of_the_result_is_described(proven: Iterated) -> None:
    """In the reference, beside those of a run; each file of the folder too."""
    here = {p.name + "/N/" * p.is_dir() for p in proven.out.iterdir()}

    assert set(proven.document) == {*files.RESULT, *files.ROUNDS}
    assert here <= set(files.FILES)


def test_the_result_is_read_as_that_of_a_run(proven: Iterated) -> None:
    """`apply` finds the files, and `compare` the samples of the round that it is of."""
    release = release_of(proven.out)
    comparison = compare(proven.out / "rounds/2", proven.out)

    assert release.candidate == proven.document["best"]["candidate"]
    assert all((release.folder / name).exists() for name in release.files)
    assert len(comparison.b.samples) == proven.document["best"]["n"]


def test_a_round_goes_on_from_what_the_last_one_found(proven: Iterated) -> None:
    """It begins with the best of it that did not fail, and measures nothing else again."""
    first, second = (
        json.loads((r.folder(proven.out) / "result.json").read_text())["trials"]
        for r in proven.rounds
    )
    controls = [t["candidate"] for t in second if t["origin"] in ("baseline", "default")]
    new = [t["candidate"] for t in second if t["candidate"] not in controls]
    before = [t["candidate"] for t in first]

    assert new[0] in before
    assert new[0] not in proven.rounds[0].failed
    assert sum(c in before for c in new) <= 2


def test_every_round_is_measured_against_the_first_baseline(proven: Iterated) -> None:
    """What the search goes on from is never what is claimed against."""
    for one in proven.rounds:
        about = json.loads((one.folder(proven.out) / "run.json").read_text())
        document = json.loads((one.folder(proven.out) / "result.json").read_text())
        assert (about["baseline"]["num_batch"], about["baseline"]["temperature"]) == (32, 0.7)
        assert (document["baseline"] or {}).get("candidate") in (None, about["baseline"])


def test_the_errors_of_all_rounds_are_those_fixed_before(proven: Iterated) -> None:
    """Each finalist's confidence is what its round and its place leave it."""
    for one in proven.rounds:
        document = json.loads((one.folder(proven.out) / "result.json").read_text())
        for index, finalist in enumerate(document["finalists"]):
            (verdict,) = finalist["verdicts"]
            error = ALPHAS[index] * ROUNDS[one.number - 1]
            assert verdict["confidence"] == pytest.approx(1 - error)


def test_small_drops_do_not_add_up(tmp_path: Path) -> None:
    """Each step is allowed and both together are not: no round proves the second one."""
    made = steps_study()
    found = rounds(made, tmp_path / "o", steps)
    beside = found.document["best"]["guard"]

    assert STEP < (made.guard.max_drop or 0.0) < 2 * STEP
    assert len(found.rounds) > 1
    assert not found.proven
    assert all(r.verdict != "PASS" for r in found.rounds)
    assert beside["verdicts"]["max_drop"] != "PASS"
    assert beside["correct_minus_baseline"]["value"] < -0.2


def test_it_stops_where_another_round_is_not_expected_to_help(tmp_path: Path) -> None:
    """A target out of reach, and a space that is known: the numbers are told in one sentence."""
    made = narrow_study(
        slos=(Slo("e2e", 0.95, 0.05),), budget_s=900.0, sampler="tpe",
        space={"num_batch": narrow_study().space["num_batch"]},
    )  # fmt: skip
    found = rounds(made, tmp_path / "o", narrow)

    assert not found.proven
    assert found.document["iteration"]["ended"] == "no gain"
    assert found.document["reasons"][-1] == found.document["iteration"]["said"]
    assert len(found.rounds) < len(ROUNDS)


def test_a_proof_that_lacks_requests_is_worth_another_round(tmp_path: Path) -> None:
    """The space has nothing left, but time does: a larger budget is told, and proves it."""
    space = {"num_batch": Choices((32, 256))}
    made = narrow_study(space=space, baseline={"num_predict": 64, "temperature": 0.0})
    first = rounds(replace(made, budget_s=30.0), tmp_path / "o", narrow)
    again = rounds(made, tmp_path / "o", narrow, resume=True)

    assert first.rounds[0].lacks_requests
    assert first.document["iteration"]["ended"] == "no time"
    assert "go on with --iterate --resume and a --budget of" in first.document["iteration"]["said"]
    assert again.rounds[0] == first.rounds[0]
    assert [r.verdict for r in again.rounds] == ["UNDECIDED", "PASS"]


class Killed(Exception):
    """Ends an iteration in the middle, as a signal would."""


class Killer(Recorder):
    """A watcher that ends the iteration at so many trials of its second round."""

    def __init__(self, trials: int) -> None:
        super().__init__()
        self._left = trials

    def trial(self, trial: Trial, planned: int, left_s: float) -> None:
        super().trial(trial, planned, left_s)
        if any(n.startswith("round 2") for n in self.notes):
            self._left -= 1
            if not self._left:
                raise Killed


def test_it_goes_on_where_it_was_ended(tmp_path: Path) -> None:
    """The first round stays as it is, trials of the second count, and the budget is that of all."""
    out = tmp_path / "o"
    with pytest.raises(Killed):
        rounds(narrow_study(), out, narrow, Killer(4))
    before = {f: f.read_bytes() for f in out.glob("rounds/*/trials/*/samples.jsonl")}
    so_far = json.loads((out / "result.json").read_text())
    found = rounds(narrow_study(), out, narrow, resume=True)

    assert so_far["iteration"] is None
    assert so_far["best_round"] == 1
    assert before == {f: f.read_bytes() for f in before}
    assert found.proven
    assert found.document["spent"]["seconds"] <= 500.0
    assert found.document["rounds"][0] == so_far["rounds"][0]


def test_what_has_ended_is_only_told_again(proven: Iterated) -> None:
    """Nothing is measured, and the result stays as it is."""
    before = (proven.out / "result.json").read_bytes()
    again = rounds(narrow_study(), proven.out, narrow, watcher := Recorder(), resume=True)

    assert watcher.trials == []
    assert again.document == proven.document
    assert (proven.out / "result.json").read_bytes() == before


def test_rounds_of_another_study_are_not_continued(proven: Iterated) -> None:
    """The difference is named, though no engine is started."""
    other = narrow_study(guard=Guard(0.6))

    with pytest.raises(NotComparable, match=r"another guard\.min_valid"):
        rounds(other, proven.out, narrow, resume=True)


def test_a_round_is_no_run_of_the_whole_error(proven: Iterated, tmp_path: Path) -> None:
    """Neither a round nor the folder of all is continued as a run of its own."""
    with pytest.raises(NotComparable, match="another error"):
        work = run(
            narrow_study(), proven.out / "rounds/1", Recorder(), SimulatedEngine(narrow),
            resume=True,
        )  # fmt: skip
        virtually(work)
    with pytest.raises(InputError, match="--iterate --resume"), claimed(proven.out, resume=True):
        pass


def test_a_folder_that_holds_something_else_is_refused(proven: Iterated, tmp_path: Path) -> None:
    """Rounds that are there, none that are, and a run without rounds: each with what to do."""
    with pytest.raises(InputError, match="already holds rounds"):
        rounds(narrow_study(), proven.out, narrow)
    with pytest.raises(InputError, match="holds no rounds"):
        rounds(narrow_study(), tmp_path / "none", narrow, resume=True)
    with pytest.raises(InputError, match="holds a run without rounds"):
        rounds(narrow_study(), proven.out / "rounds/1", narrow)


def test_a_damaged_result_is_named(proven: Iterated, tmp_path: Path) -> None:
    """A result of rounds that is not as it was written is one sentence."""
    (tmp_path / "rounds/1/trials").mkdir(parents=True)
    document = json.loads((proven.out / "result.json").read_text())
    del document["rounds"][0]["pace"]
    for text in ("{", "[]", json.dumps(document)):
        (tmp_path / "result.json").write_text(text)
        with pytest.raises(InputError, match=r"result\.json: .*name another --out"):
            rounds(narrow_study(), tmp_path, narrow, resume=True)
