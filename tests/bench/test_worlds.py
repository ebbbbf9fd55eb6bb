"""Simulated worlds: what is called their truth is what their engine really does."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from bench.worlds import worlds
from bench.worlds.recorded import recorded
from bench.worlds.truth import (
    Truth,
    feasible,
    grid,
    landscape,
    true_late_rate,
    true_p99,
)
from bench.worlds.world import World, draw, limit
from tuner.spec.values import Candidate

DRAWS = 4000


@pytest.fixture(params=sorted(worlds()))
def world(request: pytest.FixtureRequest) -> World:
    """Give each world in turn."""
    return worlds()[request.param]


def drawn(world: World, candidate: Candidate) -> tuple[list[float], list[bool], list[bool]]:
    """Return latencies, and which answers are valid and right, of simulated requests."""
    rng = np.random.default_rng(5)
    drift = world.pace.sd if world.pace else 0.0
    seconds, valid, right = [], [], []
    for _ in range(DRAWS):
        pace = math.exp(drift * rng.standard_normal())
        found = draw(world.behaves(candidate), limit(candidate), "says 7", rng, pace)
        seconds.append(found.ttft_s + found.tpot_s * max(found.output_tokens - 1, 0))
        whole = found.finish == "stop" and found.text.startswith("{")
        valid.append(whole)
        right.append(whole and json.loads(found.text) == {"n": 7})
    return seconds, valid, right


def near(share: float, truth: float) -> bool:
    """Tell whether a simulated share lies within five standard errors of the truth."""
    return abs(share - truth) <= 5 * math.sqrt(max(truth * (1 - truth), 1e-4) / DRAWS)


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

        assert near(np.mean(np.array(seconds) > world.target_s), true_late_rate(world, candidate))
        assert near(np.mean(np.array(seconds) > true_p99(world, candidate)), 0.01)
        assert near(np.mean(valid), truth.valid[0])
        assert near(np.mean(right), truth.correct[0])


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


def test_both_splits_are_there() -> None:
    """A search is judged by about as many worlds as it may be built by, twelve at the least."""
    splits = [w.split for w in worlds().values()]

    assert len(splits) >= 12
    assert abs(splits.count("development") - splits.count("held-out")) <= 1


def test_a_table_becomes_a_world(tmp_path: Path) -> None:
    """Recorded rows are looked up by their settings; an output limit cuts recorded answers."""
    sample = {"e2e_s": 0.5, "ttft_s": 0.1, "tokens": 41, "guard": "correct"}
    rows = [
        {
            "candidate": {"system": s, "shots": n, "temperature": 0.0, "num_batch": b},
            "restart_s": 1.0,
            "memory_bytes": 1000,
            "samples": [sample, {**sample, "tokens": 21, "guard": "wrong_fields"}],
        }
        for s in ("none", "full") for n in (1, 3) for b in (64, 256)
    ]  # fmt: skip
    knobs = ["system", "shots", "temperature", "num_batch"]
    file = tmp_path / "grid.json"
    file.write_text(json.dumps({"environment": {}, "knobs": knobs, "rows": rows}))
    world = recorded(file)
    assert world is not None
    candidate = {"system": "none", "shots": 1, "temperature": 0.0, "num_batch": 64}
    long = Truth(world, [{**candidate, "num_predict": 128}])
    short = Truth(world, [{**candidate, "num_predict": 32}])

    assert recorded(tmp_path / "missing.json") is None
    assert (long.valid[0], long.correct[0]) == (1.0, 0.5)
    assert (short.valid[0], short.correct[0]) == (0.5, 0.0)
    assert long.quantile(0.5)[0] == pytest.approx(0.5, rel=0.01)
    assert short.late(0.45)[0] == pytest.approx(0.5, abs=0.01)
