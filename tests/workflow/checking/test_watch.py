"""A server that changes is watched, in virtual time, with the code that watches real ones."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.workflow.worlds import study as world_study
from tuner.evaluate.watched import State, Watched
from tuner.load.samples import read
from tuner.spec.errors import EngineDied, OutputError
from tuner.spec.values import Candidate, Guard, Slo
from tuner.testing.simulated import Answered, SimulatedEngine
from tuner.testing.virtual_time import run
from tuner.workflow.checking.serving import Serving
from tuner.workflow.checking.sources import SAMPLES, Probe
from tuner.workflow.checking.watch import WatchPlan, watch
from tuner.workflow.measuring.candidates import baseline

Slowness = Callable[[float], float]
"""Seconds since the beginning -> the chance of a late answer."""


def probe(late: Slowness, folder: Path | None = None, rate: float = 1.0) -> Probe:
    """Return a probe of a world in which so many answers are late."""

    def world(settings: Candidate, text: str, rng: np.random.Generator) -> Answered:
        is_late = rng.random() < late(asyncio.get_running_loop().time())
        number = int(text.split()[-1])
        return Answered(0.8 if is_late else 0.05, 0.001, json.dumps({"n": number}))

    study = world_study(slos=(Slo("e2e", 0.9, 0.3),), guard=Guard())
    engine = SimulatedEngine(world, parallel=4)
    return Probe.of(Serving(study, engine, baseline(study, engine)), folder, rate)


def seen(source: Probe, for_s: float, window_s: float = 100.0) -> list[Watched]:
    """Watch for a time, and return every look."""

    async def all_of_it() -> list[Watched]:
        return [w async for w in watch(source, WatchPlan(window_s, for_s))]

    return run(all_of_it())


def states(looks: list[Watched]) -> list[State]:
    """Return the states as they changed."""
    return [w.state for w in looks if w.changed]


def test_a_server_that_turns_bad_and_good_again_is_followed() -> None:
    """Each change is one event, with the time and what was missed."""
    looks = seen(probe(lambda s: 0.6 if 300 < s < 450 else 0.0), 1200)
    lost = next(w for w in looks if w.changed and w.state == "lost")

    assert states(looks) == ["met", "lost", "met"]
    assert 300 < lost.at_s < 400
    assert lost.missed == ("e2e p90 <= 300 ms",)
    assert looks[-1].at_s >= 1200


def test_figures_are_those_of_the_window() -> None:
    """A percentile comes with n and an interval, and none where n does not carry it."""
    looks = seen(probe(lambda s: 0.0), 400)
    first, last = looks[0].figures, looks[-1].figures

    assert first.quantiles["e2e"][0.99].high is None
    assert 60 < last.n < 140
    assert last.quantiles["e2e"][0.5].high == pytest.approx(0.069, abs=0.002)
    assert last.throughput["requests_per_s"] == pytest.approx(1.0, abs=0.4)
    assert last.guard["valid"].value == 1.0


def test_a_server_that_goes_down_is_lost_and_all_is_kept(tmp_path: Path) -> None:
    """Requests that fail are late, and each one stands in the file when the watch ends."""
    source = probe(lambda s: 0.0, tmp_path)
    engine = source.engine
    assert isinstance(engine, SimulatedEngine)

    async def dies() -> list[Watched]:
        asyncio.get_running_loop().call_later(200, engine.die)
        return [w async for w in watch(source, WatchPlan(100.0, 400.0))]

    looks = run(dies())
    kept = read(tmp_path / SAMPLES)

    assert states(looks) == ["met", "lost"]
    assert sum(s.outcome == "error" for s in kept) > 100
    assert len({s.prompt_id for s in kept}) == len(kept)


def test_a_disk_that_is_full_is_said(tmp_path: Path) -> None:
    """A watch whose samples cannot be kept ends, in one sentence."""
    (tmp_path / SAMPLES).symlink_to("/dev/full")

    with pytest.raises(OutputError, match="No space left"):
        seen(probe(lambda s: 0.0, tmp_path), 100)


def test_a_server_that_is_not_there_raises_at_once() -> None:
    """There is nothing to watch."""

    class Gone(SimulatedEngine):
        async def apply(self, candidate: Candidate, *, fresh: bool = False):  # type: ignore[no-untyped-def]
            raise EngineDied("no server answers")

    source = probe(lambda s: 0.0)
    gone = Probe(source.study, Gone(source.engine.world), source.sent, None)  # type: ignore[attr-defined]

    with pytest.raises(EngineDied):
        seen(gone, 100)


def test_who_leaves_early_leaves_nothing_running() -> None:
    """A caller that has seen a loss closes the watch, and no request is sent any more."""
    source = probe(lambda s: 1.0)

    async def until_lost() -> tuple[State, set[asyncio.Task[object]]]:
        async with contextlib.aclosing(watch(source, WatchPlan(100.0))) as looks:
            async for w in looks:
                if w.state == "lost":
                    break
        left = asyncio.all_tasks() - {asyncio.current_task()}
        return w.state, left  # type: ignore[return-value]

    assert run(until_lost()) == ("lost", set())


@pytest.mark.parametrize("seed", range(2))
def test_at_the_border_nothing_flaps(seed: int) -> None:
    """Exactly the allowed rate for hours: no state, or one, and not one after the other."""
    source = probe(lambda s: 0.1)
    source.engine.seed = seed  # type: ignore[attr-defined]
    looks = seen(source, 1500)

    assert len(states(looks)) <= 1


def test_its_load_is_what_was_asked_for_and_said() -> None:
    """However slow the server is, no more is sent."""
    source = probe(lambda s: 1.0, rate=0.2)

    assert source.adds().startswith("it adds 0.2 requests/s; were none answered, about 6 ")
    assert seen(source, 1000)[-1].figures.n <= 40
