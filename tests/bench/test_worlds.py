"""Simulated worlds: what is called their truth is what their engine really does."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.grid import TABLES as GRIDS
from bench.worlds import worlds
from bench.worlds.behaviour import draw, limit
from bench.worlds.landscape import affordable, landscape, needed
from bench.worlds.recorded import TABLES, recorded
from bench.worlds.truth import (
    Truth,
    feasible,
    grid,
    late_where_sent,
    true_late_rate,
    true_p99,
)
from bench.worlds.world import Surroundings, World, own_places
from tuner.spec.values import Candidate

ROOT = Path(__file__).parents[2]
DRAWS = 4000


@pytest.fixture(params=sorted(worlds()))
def world(request: pytest.FixtureRequest) -> World:
    """Give each world in turn."""
    return worlds()[request.param]


def drawn(world: World, candidate: Candidate) -> tuple[list[float], list[bool], list[bool]]:
    """Return latencies, and which answers are valid and right, of simulated requests.

    They ask the held-out templates in turn, each after a start and in an hour of its own.
    """
    around, drift = Surroundings(world, 5), world.pace.sd if world.pace else 0.0
    seconds, valid, right = [], [], []
    for i in range(DRAWS):
        rng = np.random.default_rng([5, i])
        text = f"template {2 * (i % (world.templates // 2)) + 1} says 7"
        met = around.meet(text, rng, 0.0)
        if drift:
            met = replace(met, pace=math.exp(drift * rng.standard_normal()))
        found = draw(world.behaves(candidate), limit(candidate), text, rng, met)
        seconds.append(found.ttft_s + found.tpot_s * max(found.output_tokens - 1, 0))
        whole = found.finish == "stop" and found.text.startswith("{")
        valid.append(whole)
        right.append(whole and json.loads(found.text) == {"n": 7})
    return seconds, valid, right


def near(share: float, truth: float, alike: int) -> bool:
    """Tell whether a simulated share lies within five standard errors of the truth.

    So many requests that follow each other may share their fate.
    """
    return abs(share - truth) <= 5 * math.sqrt(alike * max(truth * (1 - truth), 1e-4) / DRAWS)


def candidates(world: World) -> list[Candidate]:
    """Return the baseline, the best and one from the middle that serve at all."""
    found = [world.baseline, landscape(world).best, list(grid(world))[landscape(world).size // 2]]
    served = [c for c in found if c is not None]
    return [c for c in served if world.behaves(c).starts and not world.behaves(c).death]


def test_truth_is_what_the_simulation_gives(world: World) -> None:
    """Late rate, p99 and the shares of valid and right answers agree with drawn requests."""
    for candidate in candidates(world):
        seconds, valid, right = drawn(world, candidate)
        truth = Truth(world, [candidate])

        alike, late = world.concurrency, true_late_rate(world, candidate)
        assert near(np.mean(np.array(seconds) > world.target_s), late, alike)
        assert near(np.mean(np.array(seconds) > true_p99(world, candidate)), 0.01, alike)
        assert np.mean(seconds) == pytest.approx(truth.mean_s()[0], rel=0.1)
        assert near(np.mean(valid), truth.valid[0], 1)
        assert near(np.mean(right), truth.correct[0], 1)


def test_a_world_is_a_fair_task(world: World) -> None:
    """Knobs, sizes, the share of feasible candidates and the baseline are as promised."""
    land = landscape(world)

    assert world.space.keys() <= world.knobs.keys()
    assert world.baseline.keys() == world.space.keys()
    assert all(d.contains(world.baseline[n]) for n, d in world.space.items())
    assert 3 <= len(world.space) <= 7
    assert 200 <= land.size <= 100_000
    assert not feasible(world, world.baseline)
    if world.name != "nothing":
        assert 0.02 <= land.feasible_share <= 0.40


def test_the_best_is_feasible(world: World) -> None:
    """The best p99 belongs to a candidate that starts, survives and meets every bound."""
    land = landscape(world)
    if world.name == "nothing":
        assert land.best is None
        assert math.isinf(land.best_p99_s)
        return

    assert land.best is not None
    assert feasible(world, land.best)
    assert land.best_p99_s == pytest.approx(true_p99(world, land.best))
    assert land.best_p99_s <= world.target_s


def test_the_best_provable_is_feasible_and_within_reach(world: World) -> None:
    """What a proof can show is a part of what is feasible, and the best of it is no faster."""
    land = landscape(world)
    assert land.provable_share <= land.feasible_share
    assert land.best_provable_s >= land.best_p99_s
    assert bool(land.provable) == (world.name != "nothing")
    if land.provable:
        best = land.provable[0]
        truth = Truth(world, [best])
        assert feasible(world, best)
        assert true_p99(world, best) == pytest.approx(land.best_provable_s)
        assert needed(world, truth)[0] <= affordable(world, truth)[0]


def test_a_proof_needs_more_the_nearer_a_bound_is() -> None:
    """Requests grow with the late rate and towards a floor, and have no end at either."""
    world = worlds()["tail"]

    def of(late: float, valid: float) -> float:
        truth = Truth(world, [world.baseline])
        truth.late = lambda seconds: np.array([late])  # type: ignore[method-assign]
        truth.valid = truth.correct = np.array([valid])
        return float(needed(world, truth)[0])

    assert of(0.0, 1.0) == pytest.approx(math.log(40) / -math.log(0.99))
    assert of(0.0, 1.0) < of(0.003, 1.0) < of(0.006, 1.0) < of(0.01, 1.0) == math.inf
    assert of(0.0, 1.0) < of(0.0, 0.92) < of(0.0, 0.9) == math.inf


def test_both_splits_are_there() -> None:
    """A search is judged by more worlds than it may be built by, and those are many too."""
    splits = [w.split for w in worlds().values()]

    assert splits.count("development") >= 8
    assert splits.count("held-out") > splits.count("development")


def test_a_template_keeps_its_kind() -> None:
    """Where kinds are the templates' own, one template is late again and again, others never."""
    world = replace(worlds()["templates"], own_kind=1.0)
    around, rng = Surroundings(world, 0), np.random.default_rng(0)
    behaviour = replace(world.behaves(world.baseline), sigma=0.0)

    def tokens(template: int) -> list[int]:
        text = f"template {template} says 1"
        met = [around.meet(text, rng, 0.0) for _ in range(5)]
        return [draw(behaviour, 0, text, rng, m).output_tokens for m in met]

    found = [set(tokens(i)) for i in range(world.templates)]
    assert all(len(f) == 1 for f in found)
    assert set.union(*found) == {a.tokens for a in behaviour.answers}
    assert around.meet("ok 3", rng, 0.0).kind is None


@pytest.mark.parametrize("templates", [7, 240, 1900])
def test_both_halves_of_the_templates_hold_all_kinds_evenly(templates: int) -> None:
    """Places are spread evenly over [0, 1) among those for searching and those held out."""
    places = own_places(templates)

    for half in (places[::2], places[1::2]):
        assert sorted(half) == pytest.approx([(i + 0.5) / len(half) for i in range(len(half))])


def test_a_start_keeps_its_pace() -> None:
    """Requests of one start share a pace; starts differ by as much as the world says."""
    around = Surroundings(worlds()["starts"], 1)
    paces = []
    for start in range(400):
        rng = np.random.default_rng(start)
        met = {around.meet("template 1 says 1", rng, 0.0).pace for _ in range(3)}
        assert len(met) == 1
        paces += met

    assert np.std(np.log(paces)) == pytest.approx(0.04, rel=0.15)


def test_paces_are_found_again_by_when_requests_were_sent() -> None:
    """Requests of two starts and of an instant in between are told apart afterwards."""
    world = worlds()["starts"]
    around = Surroundings(world, 1)
    met = [
        around.meet("template 1 says 1", rng, now_s).pace
        for rng, times in (
            (np.random.default_rng(1), (0.5, 1.5)),
            (np.random.default_rng(2), (4.0,)),
        )
        for now_s in times
    ]

    assert met[0] == met[1] != met[2]
    assert around.paces([0.5, 1.5 - 1e-9, 3.0, 4.0 - 1e-9]).tolist() == [*met[:2], met[1], met[2]]


def test_a_slow_start_is_late_more_often() -> None:
    """The late rate where requests were sent follows their paces; at every pace it is the truth."""
    world = worlds()["starts"]
    best = landscape(world).provable[0]
    rng = np.random.default_rng(3)
    drawn = np.exp(world.start_sd * rng.standard_normal(20_000))
    at = [late_where_sent(world, best, np.full(3, pace)) for pace in (0.9, 1.0, 1.2)]

    assert at[0] < at[1] < at[2]
    slow = next(c for c in grid(world) if 0.02 < true_late_rate(world, c) < 0.2)
    assert late_where_sent(world, slow, drawn) == pytest.approx(
        true_late_rate(world, slow), rel=0.1
    )


def test_requests_in_flight_stall_together() -> None:
    """As many requests as are in flight share what decides on their stall."""
    world = worlds()["together"]
    around, rng = Surroundings(world, 1), np.random.default_rng(1)
    stalls = [around.meet("template 1 says 1", rng, 0.0).stall for _ in range(400)]

    groups = [stalls[i : i + world.concurrency] for i in range(0, 400, world.concurrency)]
    assert all(len(set(group)) == 1 for group in groups)
    assert len(set(stalls)) == len(groups)


def test_a_world_without_slots_asks_each_prompt_once() -> None:
    """The fast server has 1,900 different prompts, which say what is right."""
    workload = worlds()["fast"].study(0, stop_when_met=True).workload
    texts = {t.messages[0].content for t in workload.templates}

    assert len(texts) == 1900
    assert not workload.has_slots(held_out=True)
    assert workload.templates[7].expect == {"n": 7}


@pytest.mark.parametrize("name", sorted(TABLES))
def test_a_recorded_world_is_what_its_table_says(name: str) -> None:
    """Each table has the knobs and values that it was recorded for, and enough samples."""
    world, file = worlds()[name], TABLES[name].file
    document = json.loads((ROOT / "bench" / "recorded" / file).read_text(encoding="utf-8"))
    table = next(t for t in GRIDS.values() if t.file == file)

    assert len(document["rows"]) == math.prod(map(len, table.knobs.values()))
    assert all(len(row["samples"]) == 20 for row in document["rows"])
    assert {n: set(world.space[n].values) for n in table.knobs} == {
        n: set(values) for n, values in table.knobs.items()
    }
    assert document["environment"]["engine_version"]


def test_a_table_becomes_a_world(tmp_path: Path) -> None:
    """Recorded rows are looked up by their settings; an output limit cuts recorded answers."""
    sample = {"e2e_s": 0.5, "ttft_s": 0.1, "tokens": 41, "guard": "correct"}
    rows = [
        {
            "candidate": {"system": s, "shots": n, "temperature": 0.0, "num_batch": b},
            "changed": "restart" if (s, n) == ("none", 1) else "nothing",
            "start_s": 3.0,
            "memory_bytes": 1000,
            "samples": [sample, {**sample, "tokens": 21, "guard": "wrong_fields"}],
        }
        for s in ("none", "full") for n in (1, 3) for b in (64, 256)
    ]  # fmt: skip
    knobs = ["system", "shots", "temperature", "num_batch"]
    head = {
        "environment": {"engine": "made up", "engine_version": "7"},
        "knobs": knobs,
        "tiers": {"num_batch": "restart"},
        "baseline": {"system": "full", "shots": 3, "temperature": 0.0, "num_batch": 64},
        "limit": 128,
    }
    (tmp_path / TABLES["recorded"].file).write_text(json.dumps({**head, "rows": rows}))
    world = recorded("recorded", tmp_path)
    candidate = {"system": "none", "shots": 1, "temperature": 0.0, "num_batch": 64}
    long = Truth(world, [{**candidate, "num_predict": 128}])
    short = Truth(world, [{**candidate, "num_predict": 32}])

    assert (world.restart_s, world.about) == (3.0, "a table recorded from made up, 7")
    assert (world.knobs["num_batch"].tier, world.knobs["shots"].tier) == ("restart", "request")
    assert (long.valid[0], long.correct[0]) == (1.0, 0.5)
    assert (short.valid[0], short.correct[0]) == (0.5, 0.0)
    assert long.quantile(0.5)[0] == pytest.approx(0.5, rel=0.01)
    assert short.late(0.45)[0] == pytest.approx(0.5, abs=0.01)
