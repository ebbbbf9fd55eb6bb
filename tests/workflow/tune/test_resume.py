"""A run that was ended goes on with what it has, and never with what is not its own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import optuna
import pytest

from tests.workflow.worlds import Recorder, study, trial_folders, world
from tuner.search.error import ALPHAS
from tuner.search.result import Result
from tuner.search.trial import Trial
from tuner.spec.errors import InputError, Locked, NotComparable
from tuner.spec.values import Slo
from tuner.store.run_folder import claimed
from tuner.store.trial_folder import read
from tuner.testing.simulated import SimulatedEngine
from tuner.testing.virtual_time import run as virtually
from tuner.workflow.tune.run import run


class Killed(Exception):
    """Ends a run in the middle, as a signal would."""


class Killer(Recorder):
    """A watcher that ends the run at a trial, or at the first line that begins so."""

    def __init__(self, trials: int = 10**9, note: str = "\0") -> None:
        super().__init__()
        self._trials, self._note = trials, note

    def trial(self, trial: Trial, planned: int, left_s: float) -> None:
        super().trial(trial, planned, left_s)
        if len(self.trials) >= self._trials:
            raise Killed

    def note(self, text: str) -> None:
        super().note(text)
        if text.startswith(self._note):
            raise Killed


def go(out: Path, watcher: Recorder, *, resume: bool = False, **changes: Any) -> Result:
    """Run the world's study in virtual time."""
    made = study(**{"budget_s": 600.0, **changes})
    return virtually(run(made, out, watcher, SimulatedEngine(world), resume=resume))


def killed(out: Path, watcher: Killer, **changes: Any) -> None:
    """Run the world's study until the watcher ends it."""
    with pytest.raises(Killed):
        go(out, watcher, **changes)


@pytest.mark.parametrize(
    "moment", [{"trials": 1}, {"trials": 7}, {"note": "finalist 1"}, {"note": "e2e p99"}]
)
def test_a_run_goes_on_where_it_was_ended(tmp_path: Path, moment: dict[str, Any]) -> None:
    """Finished trials count, none is measured again, and the budget is that of the whole run."""
    killed(tmp_path / "o", Killer(**moment))
    before = {f.name: (f / "samples.jsonl").read_bytes() for f in trial_folders(tmp_path / "o")}
    result = go(tmp_path / "o", watcher := Recorder(), resume=True)
    after = {f.name: (f / "samples.jsonl").read_bytes() for f in trial_folders(tmp_path / "o")}

    assert before.items() <= after.items()
    assert not {f"{t.number:04d}" for t in watcher.trials} & before.keys()
    assert result.spent["seconds"] <= 600
    assert result.verdict == "PASS", result.reasons
    assert result.best is not None
    assert result.best.starts >= 3
    numbers = [t.number for t in result.trials]
    assert len(set(numbers)) == len(numbers)
    assert {t.origin for t in result.trials} >= {"baseline", "default"}


def test_the_search_s_database_is_made_anew_from_the_trials(tmp_path: Path) -> None:
    """A lost or damaged study.db costs nothing: the folders are the truth."""
    killed(tmp_path / "o", Killer(trials=6))
    (tmp_path / "o" / "study.db").write_bytes(b"not a database")
    result = go(tmp_path / "o", Recorder(), resume=True)
    storage = f"sqlite:///{tmp_path / 'o' / 'study.db'}"
    stored = optuna.load_study(study_name="tune", storage=storage)

    assert len(result.trials) > 6
    told = {t.value for t in stored.trials if t.state == optuna.trial.TrialState.COMPLETE}
    searched = [t for t in result.trials if t.of is None and t.origin != "default"]
    assert told >= {t.value for t in searched if t.state == "complete"}


def test_a_proof_is_continued_with_its_finalist(tmp_path: Path) -> None:
    """Blocks measured before count for the same finalist, on engine starts of their own."""
    killed(tmp_path / "o", Killer(note="e2e p99"))
    result = go(tmp_path / "o", Recorder(), resume=True)
    starts = [
        json.loads((f / "effective.json").read_text())["engine_start"]
        for f in trial_folders(tmp_path / "o")
        if f.name.startswith(("finalist", "baseline"))
    ]

    assert result.best is not None
    first = (tmp_path / "o" / "trials" / "finalist-1-1" / "samples.jsonl").read_text()
    assert {s.prompt_id for s in result.best.samples} >= {
        json.loads(line)["prompt_id"] for line in first.splitlines() if '"warmup": false' in line
    }
    prompts = [s.prompt_id for s in result.best.samples]
    assert len(set(prompts)) == len(prompts)
    assert len(set(starts)) == len(starts)


def test_a_finished_run_is_continued_by_a_larger_budget(tmp_path: Path) -> None:
    """What stayed undecided for want of time is decided with more, on the same samples."""
    first = go(tmp_path / "o", Recorder(), budget_s=150.0)
    n = first.best.n if first.best else 0
    second = go(tmp_path / "o", Recorder(), resume=True, budget_s=900.0)

    assert first.verdict == "UNDECIDED"
    assert second.verdict == "PASS", second.reasons
    assert second.best is not None
    assert second.best.n > n


def test_a_used_folder_asks_for_resume(tmp_path: Path) -> None:
    """A second run into a folder is refused, and told what to say."""
    killed(tmp_path / "o", Killer(trials=1))

    with pytest.raises(InputError, match="--resume"):
        go(tmp_path / "o", Recorder())


def test_there_must_be_something_to_resume(tmp_path: Path) -> None:
    """--resume into an empty folder is bad input."""
    with pytest.raises(InputError, match="holds no run"):
        go(tmp_path / "o", Recorder(), resume=True)


def test_unlike_runs_are_not_pooled(tmp_path: Path) -> None:
    """Another target, seed or baseline is another run, and the difference is named."""
    killed(tmp_path / "o", Killer(trials=2))

    with pytest.raises(NotComparable, match="another slo"):
        go(tmp_path / "o", Recorder(), resume=True, slos=(Slo("e2e", 0.99, 0.2),))


def test_a_folder_in_use_is_locked(tmp_path: Path) -> None:
    """Two runs in one folder: the second is told so, with exit code 75."""
    with claimed(tmp_path / "o"), pytest.raises(Locked, match="in use") as locked:
        go(tmp_path / "o", Recorder())

    assert locked.value.exit_code == 75


def test_half_written_trials_are_no_trials(tmp_path: Path) -> None:
    """What a kill left half-written is removed, and a damaged folder is named."""
    killed(tmp_path / "o", Killer(trials=3))
    trials = tmp_path / "o" / "trials"
    shutil.copytree(trials / "0001", trials / ".0003.partial")
    (trials / "0002" / "trial.json").write_text("{")

    with pytest.raises(InputError, match=r"trials/0002: not a trial as it was written"):
        go(tmp_path / "o", Recorder(), resume=True)
    assert not (trials / ".0003.partial").exists()


@pytest.fixture(scope="module")
def proven(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of a finished run with second looks and a proof."""
    out = tmp_path_factory.mktemp("proven") / "o"
    go(out, Recorder(), budget_s=150.0)
    names = {f.name for f in trial_folders(out)}
    assert {"baseline-1", "finalist-1-1", "finalist-1-2"} <= names, names
    return out


def looked_at_again(out: Path) -> list[str]:
    """Return the numbers of the trials that had a second look under their own number."""
    return sorted(f.name.removesuffix("-more") for f in trial_folders(out) if "-more" in f.name)


def place_of(out: Path, name: str) -> Any:
    """Return which part of its run a trial is."""
    return json.loads((out / "trials" / name / "trial.json").read_text())["place"]


@pytest.mark.parametrize(
    "away",
    ["baseline", "second look", "first look", "its trial", "first block", "baseline-1", "proof"],
)
def test_whatever_trial_is_moved_away_the_run_goes_on(
    proven: Path, tmp_path: Path, away: str
) -> None:
    """What is left counts as before, keeps its names and is not asked again."""
    out = tmp_path / "o"
    shutil.copytree(proven, out)
    again = looked_at_again(out)
    place = place_of(out, "finalist-1-1")
    looks = {n: place_of(out, f"{n}-more") for n in again}
    gone = {
        "baseline": ["0000"],
        "second look": [f"{again[0]}-more"],
        "first look": [f"{of['of']:04d}" for of in looks.values()],
        "its trial": [f.name for f in trial_folders(out) if f.name[:4] == f"{place['number']:04d}"],
        "first block": ["finalist-1-1"],
        "baseline-1": ["baseline-1"],
        "proof": [f.name for f in trial_folders(out) if f.name.startswith("finalist")],
    }[away]
    for name in gone:
        shutil.move(out / "trials" / name, tmp_path / name)
    before = {f.name: (f / "samples.jsonl").read_bytes() for f in trial_folders(out)}
    result = go(out, Recorder(), resume=True, budget_s=300.0)
    after = {f.name: (f / "samples.jsonl").read_bytes() for f in trial_folders(out)}

    assert gone
    assert before.items() <= after.items()
    assert result.best is not None
    for m in result.finalists:
        prompts = [s.prompt_id for s in m.samples]
        assert len(set(prompts)) == len(prompts)


def test_a_finalist_keeps_its_error_though_the_first_is_gone(tmp_path: Path) -> None:
    """The error of the whole run is spent once: what was the second finalist stays the second."""
    out = tmp_path / "o"
    go(out, Recorder(), budget_s=150.0)
    for name in [f.name for f in trial_folders(out) if f.name.startswith("finalist-1")]:
        folder = out / "trials" / name.replace("finalist-1", "finalist-2")
        (out / "trials" / name).rename(folder)
        file = folder / "trial.json"
        facts = json.loads(file.read_text())
        facts["place"]["side"] = "finalist-2"
        file.write_text(json.dumps(facts | {"name": folder.name}))
    result = go(out, Recorder(), resume=True, budget_s=900.0)
    (certificate,) = result.finalists[0].certificates.values()

    assert certificate.confidence == pytest.approx(1 - ALPHAS[1])


@pytest.mark.parametrize("file", ["candidate.json", "effective.json", "samples.jsonl"])
@pytest.mark.parametrize("content", [None, b"", b"[", b"null", b"\xff\x00", "cut", "swapped"])
def test_each_damage_of_a_trial_is_one_sentence(
    proven: Path, tmp_path: Path, file: str, content: Any
) -> None:
    """Missing, empty, cut, binary, or of another trial: named with the next step."""
    folder = tmp_path / "trials" / "0001"
    shutil.copytree(proven / "trials" / "0001", folder)
    whole = (folder / file).read_bytes()
    other = (proven / "trials" / "0002" / file).read_bytes()
    # a cut at the end of a line leaves what can be read, less what was measured last
    damaged = {"cut": whole[: whole.rfind(b"\n", 0, -1) + 1], "swapped": other}.get(
        content, content
    )
    (folder / file).unlink()
    if damaged is not None:
        (folder / file).write_bytes(damaged)

    if damaged == whole:
        pytest.skip("the other trial holds the same")
    with pytest.raises(InputError, match=r"trials/0001: not a trial as it was written .*move it"):
        read(folder)
