"""Comparisons of searches: every strategy runs in the tuner's workflow, and a run is resumed."""

from __future__ import annotations

from pathlib import Path
from pkgutil import resolve_name

import pytest

from bench.ablations import ABLATIONS, without
from bench.compared import ablated, overview, report, summary
from bench.goals import GOALS, SPLITS, goals
from bench.ratios import ratio
from bench.runs import Run, cell, cells_of, read
from bench.search import Task, all_runs, made, main
from bench.strategies import COMPARED, STRATEGIES, missing
from bench.worlds import worlds
from bench.worlds.landscape import landscape
from bench.worlds.truth import feasible
from tuner.search.trial import Trial
from tuner.workflow.measuring.candidates import baseline

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
    text = "\n".join(report(first))
    assert "| ours | 1 |" in text
    assert "Summary over the 1 development worlds" in text
    assert text.index("| goal |") < text.index("| world (split) |")


def test_a_proven_candidate_is_timed_and_looked_up() -> None:
    """A proof names its time, and the truth about its candidate."""
    run = made(Task("quality", "separable", "ours", 1))

    assert run.verdict == "PASS"
    assert run.proven_s is not None
    assert run.busy is not None
    assert 0 < run.busy < 1
    assert 0 < run.proven_s <= worlds()["separable"].budget_s
    assert run.feasible == feasible(worlds()["separable"], run.candidate)


# "ours" is left to the workflow, whose tests it has
@pytest.mark.parametrize("name", [n for n in COMPARED if n != "ours" and not missing(n)])
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
    found = cell([wrong])

    assert found.wrong == 1
    assert found.near == 0


def test_an_unproven_run_weighs_twice_its_budget() -> None:
    """The median calls it endless, the penalised mean counts it as two budgets."""
    runs = [Run("proof", "tail", "ours", n, "PASS", 100.0) for n in range(2)]
    found = cell([*runs, Run("proof", "tail", "ours", 2, "UNDECIDED")])

    assert found.proven_s == 100.0
    assert found.penalised_s == pytest.approx((100 + 100 + 1200) / 3)


def test_an_oracle_proposes_the_best_provable_after_the_controls() -> None:
    """Third comes what a proof can show with the least p99, then the next best."""
    world = worlds()["tail"]
    study = world.study(0, stop_when_met=True)
    strategy = STRATEGIES["oracle"](study, baseline(study, world.engine(0)))
    assert strategy is not None
    for _ in range(2):
        strategy.fixed(world.baseline, "baseline")
    (number, candidate, _), second = strategy.batch(2, [])

    best, next_best = landscape(world).provable[:2]
    assert number == 2
    assert {n: candidate[n] for n in world.space} == {n: best[n] for n in world.space}
    assert {n: second[1][n] for n in world.space} == {n: next_best[n] for n in world.space}


@pytest.mark.parametrize("name", ABLATIONS)
def test_an_ablation_takes_away_what_the_product_has(name: str) -> None:
    """What is replaced is there, is another thing while it lasts, and comes back."""
    target, stand_in = ABLATIONS[name]
    where, _, attribute = target.rpartition(".")

    before = getattr(resolve_name(where), attribute)
    with without(name):
        assert getattr(resolve_name(where), attribute) is stand_in
    assert getattr(resolve_name(where), attribute) is before


@pytest.mark.parametrize("name", ["no-hints", "no-sampler"])
def test_an_ablation_is_another_search(name: str) -> None:
    """A run without an idea goes another way than the whole search with the same seed."""
    whole, less = (made(Task("proof", "hot", s, 0)) for s in ("ours", name))

    assert (whole.trials, whole.requests) != (less.trials, less.requests)


def test_fresh_seeds_begin_where_they_are_told_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """--first-seed moves the seeds, so that new runs are no repetition of old ones."""
    out = tmp_path / "runs.jsonl"
    told = f"--worlds recorded --strategies random --seeds 2 --first-seed 7 --jobs 1 --out {out}"
    monkeypatch.setattr("sys.argv", ["bench.search", *told.split()])
    main()

    assert [r.seed for r in read(out)] == [7, 8]


def run_of(strategy: str, world: str = "tail", **more: object) -> Run:
    """Return a run that proved the best provable candidate after 100 s."""
    land = landscape(worlds()[world])
    told = {"verdict": "PASS", "proven_s": 100.0, "feasible": True, "p99_s": land.best_provable_s}
    return Run(**{"mode": "proof", "world": world, "strategy": strategy, "seed": 0, **told, **more})  # type: ignore[arg-type]


def line(runs: list[Run], word: str) -> str:
    """Return the line of the goal with a word."""
    return next(text for text in goals(runs) if word in text)


def test_goals_are_said_for_each_split() -> None:
    """A goal of the held-out worlds is not mended by the development ones, and each is judged."""
    runs = [
        *(run_of("ours", w, proven_s=s) for w, s in (("tail", 50.0), ("tokens", 90.0))),
        *(run_of("random", w) for w in ("tail", "tokens")),
    ]

    assert "| 0.50 [0.50, 0.50] in 1 worlds: reached | **0.90" in line(runs, "random's")
    assert "| 0.50 (tail); more than 1.15 in 0 of 1 worlds: reached |" in line(runs, "best other")


def test_an_oracle_is_a_bound_and_no_rival() -> None:
    """What an oracle reaches stands beside the goal, and nobody has to beat it."""
    runs = [run_of("ours"), run_of("random"), run_of("oracle", proven_s=10.0)]

    assert "1.00 [1.00, 1.00] in 1 worlds (an oracle 0.10)" in line(runs, "random's")
    assert "1.00 (tail)" in line(runs, "best other")


def test_an_idea_is_held_against_the_whole_search() -> None:
    """A search that is slower without an idea stands above one, in the split of its world."""
    runs = [run_of("ours"), run_of("no-hints", proven_s=150.0), run_of("random", proven_s=10.0)]

    assert "| no-hints | 1.50 [1.50, 1.50] in 1 worlds | - |" in ablated(runs)
    assert ablated([run_of("ours")]) == []


def test_a_ratio_is_the_median_over_worlds_of_mean_times() -> None:
    """Each world counts once, however long its budget is, and chance shows in the interval."""
    seconds = {"tail": (50.0, 150.0), "tokens": (10.0, 30.0), "dear": (9000.0, 9000.0)}
    runs = [run_of("ours", w, proven_s=s) for w, both in seconds.items() for s in both]
    runs += [run_of("random", w, proven_s=100.0) for w in seconds]
    found = ratio(runs, "ours", "random")

    assert found is not None
    assert (found.value, found.worlds) == (1.0, 3)
    assert found.low < 1.0 < found.high
    assert ratio(runs, "ours", "grid") is None


def test_a_choice_is_near_the_best_provable_or_not() -> None:
    """Seventeen of twenty near choices are enough in a world, sixteen are not."""
    near = [run_of("ours", mode="quality") for _ in range(17)]
    far = [run_of("ours", mode="quality", p99_s=10.0) for _ in range(3)]

    assert "1 of 1 worlds: reached" in line([*near, *far], "best provable")
    assert "**0 of 1 worlds: missed**" in line([*near[1:], far[0], *far], "best provable")


def test_wrong_proofs_are_held_against_the_stated_error() -> None:
    """One of twenty is what 5 % explain, five are not; nothing infeasible is near the best."""
    right = [run_of("ours") for _ in range(20)]
    wrong = [run_of("ours", feasible=False) for _ in range(5)]

    assert "1 of 20; most 1 of 20 (tail): reached" in line([*right[1:], wrong[0]], "error")
    assert "**5 of 25; most 5 of 25 (tail): missed**" in line([*right, *wrong], "error")
    assert not wrong[0].near


def test_a_proof_is_also_held_against_the_requests_that_it_rests_on() -> None:
    """A candidate that is late in other hours and kept its promise in those of the proof."""
    elsewhere = run_of("ours", feasible=False, late_where_sent=0.004)
    there = run_of("ours", feasible=False, late_where_sent=0.02)

    assert "2 of 2; most 2 of 2 (tail); of the requests sent 1" in line([elsewhere, there], "error")
    assert "of the requests" not in line([run_of("ours")], "error")


def test_the_late_rate_where_a_proof_was_sent_is_that_of_its_starts() -> None:
    """In a steady world it is the truth; where starts differ it is that of the proof's own."""
    steady, differing = (made(Task("proof", w, "oracle", 0)) for w in ("wide", "starts"))

    assert steady.late_where_sent == pytest.approx(steady.late_rate)
    assert differing.late_where_sent is not None
    assert differing.late_where_sent != pytest.approx(differing.late_rate)


def test_the_fast_server_needs_proofs_and_work() -> None:
    """Eighteen of twenty proofs are not enough while the engine mostly waits."""
    busy = [run_of("ours", "fast", busy=0.7) for _ in range(18)]
    lost = [run_of("ours", "fast", busy=0.7, verdict="UNDECIDED", proven_s=None) for _ in range(3)]
    idle = [run_of("ours", "fast", busy=0.3) for _ in range(20)]

    assert "18 of 20 (fast), engine at work 70%" in line([*busy, *lost[:2]], "fast server")
    assert "reached" in line([*busy, *lost[:2]], "fast server")
    assert "missed" in line([*busy, *lost], "fast server")
    assert "missed" in line(idle, "fast server")


def test_goals_without_runs_are_not_said() -> None:
    """Runs of a proof say nothing of what is chosen at the end of a budget."""
    assert len(goals([run_of("ours"), run_of("random")])) < 2 + len(GOALS)
    assert not any("best provable" in text for text in goals([run_of("ours")]))


def test_the_page_holds_the_recorded_comparison() -> None:
    """The goals and tables of bench/README.md are what the recorded runs say."""
    page = (ROOT / "bench" / "README.md").read_text(encoding="utf-8")
    recorded = ROOT / "bench" / "recorded"
    proof, quality = (read(recorded / f"search-{mode}.jsonl") for mode in ("proof", "quality"))

    for text in (*goals([*proof, *quality]), *overview(proof), *overview(quality)):
        assert text in page
    for split in SPLITS:
        assert all(text in page for text in summary(cells_of(proof), split)[4:])
    assert all(text in page for text in ablated(read(recorded / "search-ablations.jsonl"))[5:])


def test_the_page_names_each_world_under_its_split() -> None:
    """Headlines are read with the split: the page lists which worlds judge and which do not."""
    page = (ROOT / "bench" / "README.md").read_text(encoding="utf-8")
    for split in SPLITS:
        named = ", ".join(w.name for w in worlds().values() if w.split == split)
        assert f"| {split} | {named} |" in page


def test_a_search_for_a_first_proof_ends_with_its_budget() -> None:
    """It once turned round for ever here, with time for no second look at what promised most."""
    run = made(Task("proof", "fast", "ours", 306))

    assert run.verdict in ("PASS", "UNDECIDED")
    assert run.trials > 100
