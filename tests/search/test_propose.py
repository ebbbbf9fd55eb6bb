"""Proposals: inside the space, never twice, near the best; what is told teaches the right thing."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest

from tuner.search.propose import STUDY_NAME, Proposer
from tuner.search.trial import Trial
from tuner.spec.errors import OutputError
from tuner.spec.space import Choices, Range, Space
from tuner.spec.values import Candidate, changes
from tuner.store.run_folder import writing

SPACE: Space = {
    "n": Choices((1, 2, 4, 8)),
    "word": Choices(("a", "b", "c")),
    "t": Range(0.0, 1.0),
    "k": Range(1, 100, log=True),
    "p": Range(24, 256, step=8),
}
BASE = {"n": 4, "word": "a", "t": 0.7, "k": 40, "p": 256, "outside": 5}


@pytest.fixture(params=["tpe", "random"])
def proposer(request: pytest.FixtureRequest) -> Proposer:
    """Give a new proposer."""
    return Proposer(SPACE, BASE, request.param, 3)


def told(proposer: Proposer, number: int, candidate: Candidate, value: float) -> Trial:
    """Tell a proposer of a measured trial and return it."""
    trial = Trial(number, candidate, "sampler", "complete", None, (), {"slo": -0.1}, value)
    proposer.tell(trial)
    return trial


def saved(proposer: Proposer, folder: Path) -> optuna.Study:
    """Return a proposer's study as it can be loaded from the file it was saved in."""
    proposer.save(folder / "study.db")
    return optuna.load_study(study_name=STUDY_NAME, storage=f"sqlite:///{folder / 'study.db'}")


def test_candidates_lie_in_the_space_and_do_not_repeat(proposer: Proposer) -> None:
    """Thirty candidates are thirty different ones, complete, with values that are allowed."""
    trials: list[Trial] = []
    while len(trials) < 30:
        for number, candidate, _ in proposer.batch(3, trials):
            trials.append(told(proposer, number, candidate, float(len(trials))))

    seen = {tuple(sorted(t.candidate.items(), key=str)) for t in trials}
    assert len(seen) == len(trials)
    for trial in trials:
        assert trial.candidate["outside"] == 5
        assert all(d.contains(trial.candidate[name]) for name, d in SPACE.items())


def test_a_small_space_is_exhausted() -> None:
    """When every candidate has been proposed there is nothing more, and no endless loop."""
    space: Space = {"n": Choices((1, 2, 3))}
    proposer = Proposer(space, {"n": 1}, "tpe", 0)
    proposer.tell(Trial(*proposer.fixed({"n": 1}, "baseline"), "complete", value=1.0))
    found = []
    while batch := proposer.batch(2, []):
        for number, candidate, origin in batch:
            proposer.tell(Trial(number, candidate, origin, "complete", value=1.0))
            found.append(candidate["n"])

    assert sorted(found) == [2, 3]


def test_a_sampler_that_repeats_itself_hides_no_candidate() -> None:
    """TPE draws what it takes for good again and again; what it avoids is measured as well."""
    space: Space = {"n": Choices((1, 2, 3, 4)), "t": Range(0.0, 0.9, step=0.1)}
    proposer = Proposer(space, {"n": 1, "t": 0.0}, "tpe", 0)
    trials: list[Trial] = []
    while batch := proposer.batch(4, trials):
        for number, candidate, origin in batch:
            value = -100.0 * (float(candidate["n"]) - 1 + float(candidate["t"]))
            trials.append(Trial(number, candidate, origin, "complete", value=value))
            proposer.tell(trials[-1])

    assert len(trials) == 4 * 10


def test_tpe_proposes_neighbours_of_the_best_and_random_does_not() -> None:
    """--sampler random is an honest comparison: it draws, and nothing else."""
    origins = {}
    for kind in ("tpe", "random"):
        proposer = Proposer(SPACE, BASE, kind, 0)
        first = told(proposer, *proposer.fixed(BASE, "baseline")[:2], 1.0)
        origins[kind] = [origin for _, _, origin in proposer.batch(6, [first])]

    assert origins["tpe"].count("neighbour") >= 3
    assert origins["tpe"].count("sampler") == 2
    assert origins["random"] == ["sampler"] * 6


def test_before_anything_is_feasible_nothing_is_built_upon() -> None:
    """Then the sampler looks around, and no neighbour of a bad trial is measured."""
    proposer = Proposer(SPACE, BASE, "tpe", 0)
    bad = Trial(*proposer.fixed(BASE, "baseline"), "complete", None, (), {"slo": 1.0}, 1.0)
    proposer.tell(bad)
    origins = [origin for _, _, origin in proposer.batch(6, [bad])]

    assert origins == ["sampler"] * 6


def test_a_crash_is_pruned_with_a_large_finite_violation(tmp_path: Path) -> None:
    """A crashed trial is never FAIL (which samplers ignore) and never a good value."""
    proposer = Proposer(SPACE, BASE, "tpe", 0)
    number, candidate, origin = proposer.fixed(BASE, "baseline")
    proposer.tell(Trial(number, candidate, origin, "pruned", "crashed"))
    (stored,) = saved(proposer, tmp_path).trials

    assert stored.state == optuna.trial.TrialState.PRUNED
    assert max(stored.constraints.values()) == 10.0


def test_values_outside_the_space_teach_nothing(tmp_path: Path) -> None:
    """A baseline that the space does not hold is measured, but not told as another point."""
    proposer = Proposer(SPACE, {**BASE, "n": 3}, "tpe", 0)
    number, candidate, _ = proposer.fixed({**BASE, "n": 3}, "baseline")
    told(proposer, number, candidate, 5.0)
    states = [t.state for t in saved(proposer, tmp_path).trials]

    assert candidate["n"] == 3
    assert states == [optuna.trial.TrialState.FAIL]


def finished(count: int) -> list[Trial]:
    """Return trials as an earlier part of a run measured them, with a gap in their numbers."""
    return [
        Trial(2 * i, {**BASE, "k": i + 1, "t": i / 20}, "sampler", "complete", None, (),
              {"slo": -0.1}, float(i))
        for i in range(count)
    ]  # fmt: skip


def test_a_continued_run_knows_what_was_measured(tmp_path: Path) -> None:
    """Numbers go on, nothing is proposed again, the database holds the old trials too."""
    before = finished(8)
    proposer = Proposer(SPACE, BASE, "tpe", 3, finished=before)
    found = [p for _ in range(6) for p in proposer.batch(2, before)]

    assert min(number for number, _, _ in found) == before[-1].number + 1
    assert not [c for _, c, _ in found if c in [t.candidate for t in before]]
    stored = saved(proposer, tmp_path)
    assert [t.value for t in stored.trials[: len(before)]] == [t.value for t in before]


def test_a_database_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    """The file and what the system says are named, and what to do next."""
    file = tmp_path / "none" / "study.db"
    with pytest.raises(OutputError, match=r"study.db: No such file.*goes on"), writing(file):
        Proposer(SPACE, BASE, "tpe", 3).save(file)


def test_a_continued_run_does_not_repeat_its_beginning(tmp_path: Path) -> None:
    """Random draws depend on the seed and on how many trials are finished."""

    def first(trials: list[Trial]) -> Candidate:
        proposer = Proposer(SPACE, BASE, "random", 3, finished=trials)
        return proposer.batch(1, trials)[0][1]

    assert first([]) == first([])
    assert first([]) != first(finished(3))


def test_where_starts_are_dear_several_candidates_share_one() -> None:
    """Beside each proposal stand as many that differ from it in free knobs alone."""
    free = frozenset({"t", "k"})
    before = finished(8)
    proposer = Proposer(SPACE, BASE, "tpe", 3, finished=before, free=free, siblings=lambda: 2)
    found = [candidate for _, candidate, _ in proposer.batch(3, before)]

    assert len(found) > 3
    for candidate in found:
        near = [c for c in found if c != candidate and set(changes(c, candidate)) <= free]
        assert near


def test_a_server_that_runs_gets_candidates_that_need_no_other() -> None:
    """They differ from what it serves in free knobs alone, and none was tried."""
    free, before = frozenset({"t", "k"}), finished(8)
    proposer = Proposer(SPACE, BASE, "tpe", 3, finished=before, free=free)
    served = before[0].candidate
    found = [candidate for _, candidate, _ in proposer.beside(served, before, 3)]
    again = [candidate for _, candidate, _ in proposer.beside(served, before, 3)]

    assert found
    assert all(set(changes(c, served)) <= free for c in (*found, *again))
    assert not [c for c in again if c in found]
    at_random = Proposer(SPACE, BASE, "random", 3, finished=before, free=free)
    assert at_random.beside(served, before, 3) == []
