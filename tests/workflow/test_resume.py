"""A run that was ended goes on with what it has, and never with what is not its own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import optuna
import pytest

from tests.workflow.worlds import Recorder, study, trial_folders, world
from tuner.report.result import Result
from tuner.search.trial import Trial
from tuner.spec.errors import InputError, Locked, NotComparable
from tuner.spec.values import Slo
from tuner.testing.simulated import SimulatedEngine
from tuner.testing.virtual_time import run as virtually
from tuner.workflow.folder import claimed
from tuner.workflow.run import run


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
