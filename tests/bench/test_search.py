"""Comparisons of searches: every strategy runs in the tuner's workflow, and a run is resumed."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.compared import Run, cell, overview, tables
from bench.search import Task, all_runs, made, read
from bench.strategies import STRATEGIES, missing
from bench.worlds import worlds
from bench.worlds.truth import feasible
from tuner.search.trial import Trial
from tuner.workflow.candidates import baseline

ROOT = Path(__file__).parents[2]


def test_a_comparison_runs_is_kept_and_is_not_repeated(tmp_path: Path) -> None:
    """Runs come back from the file as they were made, and make a table."""
    out = tmp_path / "runs.jsonl"
    tasks = [Task("proof", "separable", s, 0) for s in ("ours", "random")]
    first = all_runs(tasks, 1, out)
    size = out.stat().st_size
    again = all_runs(tasks, 1, out)

    assert again == first
    assert out.stat().st_size == size
    assert all(r.trials > 2 and r.requests > 40 for r in first)
    text = "\n".join(tables(first))
    assert "| ours | 1 |" in text
    assert "Summary over 1 worlds" in text


def test_a_proven_candidate_is_timed_and_looked_up() -> None:
    """A proof names its time, and the truth about its candidate."""
    run = made(Task("quality", "separable", "ours", 1))

    assert run.verdict == "PASS"
    assert run.proven_s is not None
    assert 0 < run.proven_s <= worlds()["separable"].budget_s
    assert run.feasible == feasible(worlds()["separable"], run.candidate)


# "ours" is left to the workflow, whose tests it has
@pytest.mark.parametrize("name", [n for n in STRATEGIES if n != "ours" and not missing(n)])
def test_strategies_propose_candidates_of_the_space(name: str) -> None:
    """Numbers never repeat, candidates are whole and inside the space, crashes are survived."""
    world = worlds()["cheap"]
    study = world.study(3, stop_when_met=False)
    base = baseline(study, world.engine(3))
    strategy = STRATEGIES[name](study, base)
    assert strategy is not None
    number, candidate, origin = strategy.fixed(base, "baseline")
    trials = [Trial(number, candidate, origin, "complete", violations={"slo": 1.0}, value=1.0)]
    strategy.tell(trials[0])
    while len(trials) < 60:
        for number, candidate, origin in strategy.batch(4, trials):
            state = "pruned" if number % 5 == 0 else "complete"
            broken = {} if state == "pruned" else {"slo": 0.1 - number / 100}
            trials.append(
                Trial(number, candidate, origin, state, violations=broken, value=number / 10)
            )
            strategy.tell(trials[-1])

    assert len({t.number for t in trials}) == len(trials)
    for trial in trials:
        assert trial.candidate.keys() == base.keys()
        assert all(d.contains(trial.candidate[n]) for n, d in study.space.items())


def test_an_infeasible_proof_is_counted_and_never_good() -> None:
    """A wrong proof shows, and does not count as near the best."""
    wrong = Run("proof", "tail", "ours", 0, "PASS", 100.0, feasible=False, p99_s=0.1)
    found = cell([wrong], 0.3, 600.0)

    assert found.wrong == 1
    assert found.near == 0


def test_an_unproven_run_weighs_twice_its_budget() -> None:
    """The median calls it endless, the penalised mean counts it as two budgets."""
    runs = [Run("proof", "tail", "ours", n, "PASS", 100.0) for n in range(2)]
    found = cell([*runs, Run("proof", "tail", "ours", 2, "UNDECIDED")], 0.3, 600.0)

    assert found.proven_s == 100.0
    assert found.penalised_s == pytest.approx((100 + 100 + 1200) / 3)


def test_the_page_holds_the_recorded_comparison() -> None:
    """The tables of bench/README.md are what the recorded runs say."""
    page = (ROOT / "bench" / "README.md").read_text(encoding="utf-8")
    for file in ("search-proof.jsonl", "search-quality.jsonl"):
        runs = read(ROOT / "bench" / "recorded" / file)

        for line in overview(runs):
            assert line in page
