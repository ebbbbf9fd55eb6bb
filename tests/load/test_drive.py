"""Closed and open loop, in virtual time where time matters."""

from __future__ import annotations

import asyncio
import itertools
import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from tuner.load.arrivals import Call
from tuner.load.drive import Driven, drive
from tuner.spec.values import Load, Message, Prompt
from tuner.testing.simulated import Answered, SimulatedEngine, World
from tuner.testing.virtual_time import run


def _calls(engine: SimulatedEngine) -> Iterator[Call]:
    for i in itertools.count():
        prompt = Prompt(str(i), "t", "k", (Message("user", str(i)),))
        yield Call(prompt, engine.request(prompt.messages, {}, None))


def driven(world: World, load: Load, n: int, parallel: int = 64) -> Driven:
    """Drive n requests through a world in virtual time."""

    async def work() -> Driven:
        engine = SimulatedEngine(world, parallel=parallel)
        await engine.apply({name: k.default for name, k in engine.knobs.items()})
        calls = itertools.islice(_calls(engine), n)
        return await drive(calls, load, engine.transport(), engine.read, engine_start=1,
                           rng=np.random.default_rng(1))  # fmt: skip

    return run(work())


def steady(settings: object, text: str, rng: np.random.Generator) -> Answered:
    """Answer with 0.1 s for the first token and 0.19 s for the others."""
    return Answered(0.1, 0.01, "{}", output_tokens=20)


def test_closed_loop_keeps_so_many_in_flight() -> None:
    """With concurrency 4 the same requests take a quarter of the time."""
    one = driven(steady, Load(concurrency=1), 40)
    four = driven(steady, Load(concurrency=4), 40)

    assert one.elapsed_s == pytest.approx(40 * 0.29)
    assert four.elapsed_s == pytest.approx(10 * 0.29)


def test_definitions_of_the_metrics() -> None:
    """TTFT, E2E and TPOT are as the specification defines them."""
    sample = driven(steady, Load(), 1).samples[0]

    assert sample.latency_s("ttft") == pytest.approx(0.1)
    assert sample.latency_s("e2e") == pytest.approx(0.29)
    assert sample.latency_s("tpot") == pytest.approx(0.01)


def test_failures_are_infinitely_late() -> None:
    """What was not served has no latency that a quantile could be flattered by."""
    failing = driven(lambda s, t, r: replace(steady(s, t, r), fails=True), Load(), 2)
    slow = driven(lambda s, t, r: Answered(9.0, 0.0, "{}"), Load(timeout_s=1.0), 2)

    assert [s.outcome for s in (*failing.samples, *slow.samples)] == [
        "error", "error", "timeout", "timeout",
    ]  # fmt: skip
    assert all(s.latency_s("e2e") == math.inf for s in (*failing.samples, *slow.samples))


def test_open_loop_shows_a_stall_that_closed_loop_hides() -> None:
    """One stall of 2 s: in open loop everyone who came meanwhile waited for it."""

    def stalling(settings: object, text: str, rng: np.random.Generator) -> Answered:
        return Answered(2.0 if text == "50" else 0.01, 0.0, "{}", output_tokens=1)

    closed = driven(stalling, Load(), 200, parallel=1).samples
    opened = driven(stalling, Load(rate=50.0, arrivals="constant"), 200, parallel=1).samples

    assert np.quantile([s.latency_s("e2e") for s in closed], 0.95) < 0.1
    assert np.quantile([s.latency_s("e2e", scheduled=True) for s in opened], 0.95) > 1.0


def test_open_loop_counts_from_the_plan() -> None:
    """Requests are sent when planned, however many are unanswered, and the lag is recorded."""
    found = driven(steady, Load(rate=100.0, arrivals="constant"), 20)
    planned = [s.planned_ns for s in found.samples]

    assert np.diff(planned) / 1e9 == pytest.approx(0.01)
    assert max(s.sent_ns - s.planned_ns for s in found.samples) < 1000
    assert found.elapsed_s == pytest.approx(0.19 + 0.29)


def test_stop_ends_the_run_and_loses_nothing_in_flight() -> None:
    """Requests that were sent when the stop rule fired are waited for and kept."""

    async def work() -> Driven:
        engine = SimulatedEngine(steady, parallel=8)
        await engine.apply({name: k.default for name, k in engine.knobs.items()})
        return await drive(_calls(engine), Load(concurrency=4), engine.transport(), engine.read,
                           engine_start=1, stop=lambda s: s.prompt_id == "9")  # fmt: skip

    found = run(work())

    assert 10 <= len(found.samples) <= 14
    assert all(s.outcome == "ok" for s in found.samples)


def test_virtual_time_does_not_wait() -> None:
    """An hour of sleep passes at once, and in order."""

    async def work() -> list[int]:
        order: list[int] = []

        async def after(seconds: float, mark: int) -> None:
            await asyncio.sleep(seconds)
            order.append(mark)

        await asyncio.gather(after(3600, 2), after(60, 1))
        return order

    assert run(work()) == [1, 2]
