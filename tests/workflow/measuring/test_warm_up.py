"""Warming up ends when requests are steady, is bounded, and is counted."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.workflow.worlds import study
from tuner.search.budget import LEAST_LOOK, Pace, expected_pace
from tuner.spec.knobs import Knob
from tuner.spec.requests.workload import Shot, ShotRule
from tuner.spec.study import Study
from tuner.spec.values import Candidate, Load
from tuner.store.trial_folder import Spent, read_all
from tuner.testing.simulated import KNOBS, Answered, SimulatedEngine, World
from tuner.testing.virtual_time import run as virtually
from tuner.workflow.measuring.measure import measure
from tuner.workflow.measuring.session import Session
from tuner.workflow.measuring.warm_up import MOST_WARMUPS, WARMUP_SHARE

BARE = replace(study(), space={}, baseline={})


def cold(ttft_s: Callable[[int], float], tpot_s: Callable[[int], float] = lambda n: 0.01) -> World:
    """Return a world in which the n-th warm-up request has those times, and the others 0.1 s."""

    def world(settings: Candidate, text: str, rng: np.random.Generator) -> Answered:
        word, number = text.split()[0], int(text.split()[-1])
        if word != "ok":
            return Answered(0.1, 0.01, json.dumps({"n": number}))
        return Answered(ttft_s(number), tpot_s(number), json.dumps({"n": number}))

    return world


def warmups(out: Path, world: World, requests: int = 100, of: Study = BARE, **engine: Any) -> int:
    """Measure in a world and return how many requests warmed it up."""
    served = SimulatedEngine(world, **engine)
    found, _ = virtually(measure(of, out, requests=requests, engine=served))
    assert found.n == requests
    assert found.quantiles["ttft"][0.99].value == pytest.approx(0.1)
    return found.warmups


def test_a_steady_engine_gets_two(tmp_path: Path) -> None:
    """Where nothing gets faster, nothing is spent on seeing it."""
    assert warmups(tmp_path / "o", cold(lambda n: 0.1)) == 2


def test_a_cold_engine_is_warmed_until_it_is_steady(tmp_path: Path) -> None:
    """Four cold requests, each faster, take a fifth and a sixth like it; none of them counts."""
    ttfts = [1.2, 0.8, 0.5, 0.2]

    assert warmups(tmp_path / "o", cold(lambda n: ttfts[n] if n < 4 else 0.1)) == 6


def test_slow_decoding_is_waited_for_too(tmp_path: Path) -> None:
    """The first token may come at once while the first request's other tokens are slow."""
    assert warmups(tmp_path / "o", cold(lambda n: 0.1, lambda n: 0.01 if n else 0.05)) == 3


def test_warming_up_is_bounded(tmp_path: Path) -> None:
    """What never becomes steady gets a fourth of the requests that are measured, ten at most."""
    falling = cold(lambda n: 1.0 * 0.5**n)

    assert warmups(tmp_path / "few", falling, 20) == 5
    assert warmups(tmp_path / "many", falling, 400) == MOST_WARMUPS


def test_warming_up_takes_a_small_share_of_the_time(tmp_path: Path) -> None:
    """Where each takes long no more are sent once their share of the budget is used up."""
    share_s = WARMUP_SHARE * BARE.budget_s
    falling = cold(lambda n: share_s * 0.6 * 0.7**n)

    assert warmups(tmp_path / "o", falling, 400) == 2


def test_each_slot_is_warmed_up(tmp_path: Path) -> None:
    """Four slots get four requests at once, whatever the load is."""
    knobs = {**KNOBS, "num_parallel": Knob("num_parallel", "restart", 4, role="slots")}

    assert warmups(tmp_path / "o", cold(lambda n: 0.1), knobs=knobs, parallel=4) == 4


def test_hundreds_of_slots_are_not_all_warmed_up(tmp_path: Path) -> None:
    """Where an engine may serve 256 at once and one client asks, ten are enough."""
    knobs = {**KNOBS, "max_num_seqs": Knob("max_num_seqs", "restart", 256, role="slots")}

    found = warmups(tmp_path / "o", cold(lambda n: 0.1), knobs=knobs, parallel=256)
    assert found == MOST_WARMUPS


def together(load: Load, requests: int, tmp_path: Path, **changes: Any) -> tuple[int, int]:
    """Return how many requests warmed up under a load, and how many at most were in flight then."""
    sent: list[tuple[int, int]] = []

    async def found() -> int:
        of = replace(BARE, workload=replace(BARE.workload, load=load), **changes)
        engine = SimulatedEngine(cold(lambda n: 0.1), parallel=64)
        out = tmp_path / str(load)
        measured, _ = await measure(of, out, requests=requests, engine=engine)
        (stored,) = read_all(out)
        sent.extend((s.sent_ns, s.end_ns or 0) for s in stored.measured.samples if s.warmup)
        return measured.warmups

    count = virtually(found())
    return count, max(sum(a <= at < b for a, b in sent) for at, _ in sent)


def test_as_many_requests_warm_up_as_will_be_in_flight(tmp_path: Path) -> None:
    """With four clients the first four come at once, and no more than are measured."""
    assert together(Load(concurrency=4), 100, tmp_path) == (4, 4)
    assert together(Load(concurrency=16), 100, tmp_path) == (16, 16)
    assert together(Load(concurrency=16), 8, tmp_path / "few") == (8, 8)


def test_in_open_loop_they_are_those_that_arrive_while_an_answer_takes_its_time(
    tmp_path: Path,
) -> None:
    """Twenty a second with answers of 240 ms, which just meet the target, are five in flight."""
    assert together(Load(rate=20.0), 100, tmp_path) == (5, 5)
    assert together(Load(rate=1.0), 40, tmp_path) == (2, 1)


def test_a_plan_expects_them() -> None:
    """Before anything was measured a trial is planned with as many as its load asks for."""

    def planned(load: Load) -> float:
        return expected_pace(replace(BARE, workload=replace(BARE.workload, load=load))).warmups

    assert (planned(Load()), planned(Load(concurrency=4)), planned(Load(rate=20.0))) == (2, 4, 5)


def test_each_choice_of_shots_is_warmed_up(tmp_path: Path) -> None:
    """An engine keeps the beginnings it has read: three rules and a default get one each."""
    shots = tuple(Shot(f"s{i}", f"say {i}", "{}") for i in range(4))
    rules = tuple(ShotRule(f"r{i}", (f"s{i}",)) for i in (1, 2, 3, 1))
    workload = replace(BARE.workload, shots=shots, rules=rules, default_shots=("s0",))
    dynamic = replace(BARE, workload=workload, baseline={"shots": "dynamic"})

    async def beginnings() -> list[str]:
        session = Session(dynamic, SimulatedEngine(cold(lambda n: 0.1)), tmp_path, 60.0)
        calls = itertools.islice(session.spare_calls(dynamic.baseline), 6)
        return [json.loads(c.request.body)["messages"][0]["content"] for c in calls]

    assert virtually(beginnings()) == ["say 0", "say 1", "say 2", "say 3", "say 0", "say 1"]
    assert warmups(tmp_path / "o", cold(lambda n: 0.1), of=dynamic) == 4
    assert warmups(tmp_path / "few", cold(lambda n: 0.1), 8, of=dynamic) == 4


def test_the_plan_knows_what_warming_up_takes(tmp_path: Path) -> None:
    """A trial is planned with as many warm-up requests as there were before the others."""
    spent = Spent(requests=90, warmups=30, blocks=6, busy_s=45.0)

    async def pace() -> Pace:
        return Session(BARE, SimulatedEngine(cold(lambda n: 0.1)), tmp_path, 60.0, spent).pace()

    found = virtually(pace())
    assert found.warmups == 5
    assert found.trial_s == pytest.approx((LEAST_LOOK + 5) * 0.5)
