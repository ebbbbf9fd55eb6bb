"""The highest load that meets a target: the way to it, its error, and whole runs."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.workflow.worlds import study
from tuner.evaluate.capacity import Capacity
from tuner.report.capacity import show_capacity
from tuner.report.result import as_text
from tuner.spec.errors import InputError
from tuner.spec.requests.workload import Template, Workload
from tuner.spec.values import Candidate, Claim, Load, Message, Slo
from tuner.testing.simulated import Answered, SimulatedEngine
from tuner.testing.virtual_time import run
from tuner.workflow.measuring.capacity import FINEST, alpha_of_each, capacity, path


def steady(settings: Candidate, text: str, rng: np.random.Generator) -> Answered:
    """Answer in 0.1 s, always."""
    return Answered(0.1, 0.0, '{"n": 1}', output_tokens=1)


def found(tmp_path: Path, **given: Any) -> Capacity:
    """Return the capacity of a server with four slots that takes 0.1 s for each request."""
    slos = (Slo("e2e", 0.99, 0.25),)
    engine = SimulatedEngine(steady, parallel=4)
    asked = {name: given.pop(name) for name in ("budget_s", "claim", "workload") if name in given}
    named = study(slos=slos, baseline={}, **{"budget_s": 1e6} | asked)
    return run(capacity(named, tmp_path / "out", engine=engine, **given))[0]


@given(st.integers(1, 100), st.integers(1, 300))
def test_the_way_ends_at_the_highest_whole_load(lowest: int, real: int) -> None:
    """Where every load up to some limit is met and none above, the limit is found."""
    way, tried = path(lowest, 256, whole=True), []
    size = next(way)
    try:
        while True:
            tried.append(size)
            size = way.send(size <= real)
    except StopIteration:
        pass

    met = [s for s in tried if s <= real]
    assert max(met, default=0) == (min(real, 256) if lowest <= real else 0)
    assert len(tried) <= 2 * 9


@given(st.floats(0.5, 200.0))
def test_the_way_ends_near_the_highest_rate(real: float) -> None:
    """The highest rate found is within FINEST of the real limit."""
    way, met = path(0.5, 500.0, whole=False), 0.0
    size = next(way)
    try:
        while True:
            met = max(met, size) if size <= real else met
            size = way.send(size <= real)
    except StopIteration:
        pass

    assert met <= real <= met * FINEST


def test_the_errors_of_all_levels_sum_to_that_of_the_answer() -> None:
    """One level on the way up and every halving may be wrong: together 5 %."""
    assert alpha_of_each(256, whole=True) * (1 + 7) == pytest.approx(0.05)
    assert alpha_of_each(2, whole=True) == pytest.approx(0.05)
    assert alpha_of_each(100, whole=False) == pytest.approx(
        0.05 / (1 + math.ceil(math.log2(math.log(2) / math.log(FINEST))))
    )


def test_closed_loop_capacity_is_where_the_queue_takes_the_target(tmp_path: Path) -> None:
    """Four slots of 0.1 s hold up to eight in flight within 0.25 s, and nine wait too long."""
    result = found(tmp_path, highest=64)

    assert result.complete
    assert result.highest is not None
    assert result.next is not None
    assert (result.highest.size, result.next.size) == (8, 9)


def test_open_loop_capacity_stays_below_what_the_server_can_do(tmp_path: Path) -> None:
    """40 requests a second can be served at the most: the rate found is below, and not far."""
    result = found(tmp_path, by_rate=True, lowest=2, highest=200, claim=Claim(in_flight="apart"))

    assert result.highest is not None
    assert 15 < result.highest.size < 40
    assert "open loop" in result.unit


def test_one_engine_start_and_every_level_kept(tmp_path: Path) -> None:
    """The engine is started once, and each level leaves its samples and a line in the document."""
    result = found(tmp_path, highest=4)
    document = json.loads((tmp_path / "out" / "capacity.json").read_text())

    assert {v.measured.starts for v in result.levels} == {1}
    assert len(list((tmp_path / "out" / "trials").glob("*/samples.jsonl"))) == len(result.levels)
    assert document["highest"] == 4
    assert [v["size"] for v in document["levels"]] == [1, 2, 4]
    assert document["levels"][2]["load"] == "closed loop, concurrency 4"


def test_a_recording_is_stretched_to_each_rate(tmp_path: Path) -> None:
    """Its bursts stay bursts: its own gaps, as much shorter as the rate is higher."""
    times = (0.0, 0.1, 0.1, 1.9, 2.0)
    lines = tuple(
        Template(f"t{i}", (Message("user", f"say {i}"),), None, "k", at_s=at)
        for i, at in enumerate(times)
    )
    recording = Workload(lines, load=Load(rate=2.0, arrivals="trace"))
    result = found(tmp_path, by_rate=True, lowest=1, highest=4, workload=recording)

    for level in result.levels:
        planned = [s.planned_ns / 1e9 for s in level.measured.samples[: len(times)]]
        gaps = [at - planned[0] for at in planned]
        assert gaps == pytest.approx([at * 2.0 / level.size for at in times], abs=1e-6)
        assert "trace" in str(level.study.workload.load)


def test_a_budget_that_ends_first_is_said(tmp_path: Path) -> None:
    """What was proven until then stands, and the answer says that the search was cut."""
    result = found(tmp_path, budget_s=60.0)

    assert not result.complete
    assert result.highest is not None
    said = " ".join(as_text(show_capacity(result, study())).split())
    assert "the budget ended the search" in said
    assert said.startswith(f"PROVEN up to {result.highest.size:.4g} requests in flight")
    assert f"0 of {result.highest.measured.n} did, p99 " in said
    assert "one engine start, from which all levels come" in said


def test_a_target_that_no_load_meets_has_no_capacity(tmp_path: Path) -> None:
    """Where even the lowest load is too slow, nothing is named."""
    slow = study(slos=(Slo("e2e", 0.99, 0.05),), baseline={})
    engine = SimulatedEngine(steady)

    result, _ = run(capacity(slow, tmp_path / "out", engine=engine))

    assert result.highest is None
    assert len(result.levels) == 1
    said = " ".join(as_text(show_capacity(result, slow)).split())
    assert "not even the lowest load is proven to meet e2e p99 <= 50 ms; at 1 it is FAIL." in said


def test_no_target_is_an_input_error(tmp_path: Path) -> None:
    """Without an SLO there is nothing to hold a load against."""
    with pytest.raises(InputError, match="needs a target"):
        run(capacity(study(slos=()), tmp_path / "out", engine=SimulatedEngine(steady)))
