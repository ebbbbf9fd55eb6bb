"""Servers on a bad day, as real processes: what each becomes, and that the study goes on."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.engines.servers import DEFAULT, KNOBS, PROGRAM, fake
from tests.workflow.worlds import Recorder, study
from tuner.engines.command.engine import Command
from tuner.engines.command.server import Server
from tuner.engines.llamacpp import engine as llamacpp
from tuner.engines.serving.launch import free_port
from tuner.evaluate.measured import Measured
from tuner.search.budget import plan
from tuner.search.propose import Proposer
from tuner.search.trial import Trial
from tuner.spec.errors import StartFailed
from tuner.spec.knobs import Knob
from tuner.spec.requests.workload import Supply
from tuner.spec.space import Choices
from tuner.spec.study import Study
from tuner.spec.values import Effective, Guard, Load, Slo
from tuner.store.trial_folder import Place
from tuner.testing.fake_engine import FakeEngine
from tuner.testing.fake_server import running
from tuner.workflow.measuring.candidates import baseline
from tuner.workflow.measuring.session import Session
from tuner.workflow.measuring.trial_spec import TrialSpec
from tuner.workflow.tune.searching.queue import Queue
from tuner.workflow.tune.searching.screening import Screening

SLEEPER = (PROGRAM[0], "-c", "import time; time.sleep(60)")


def started(
    server: Server, logs: Path, ports: Callable[[], int] = free_port
) -> tuple[Effective, int]:
    """Start a server and stop it; return what was in force and how many ports were asked for."""
    asked = itertools.count()

    def counted() -> int:
        next(asked)
        return ports()

    async def work() -> Effective:
        engine = Command(server, "default", logs, counted)
        try:
            return await engine.apply(DEFAULT)
        finally:
            await engine.aclose()

    return asyncio.run(work()), next(asked)


def failure(server: Server, logs: Path, ports: Callable[[], int] = free_port) -> StartFailed:
    """Return how a start fails, after which nothing of the server is left."""
    before = psutil.Process().children(recursive=True)
    with pytest.raises(StartFailed) as failed:
        started(server, logs, ports)
    assert [c for c in psutil.Process().children(recursive=True) if c not in before] == []
    return failed.value


def declared(server: Server, **changes: Any) -> Study:
    """Return the study of a server."""
    given = {"engine": "command", "model": "default", "engine_settings": server, "guard": Guard()}
    return study(**given | {"baseline": {}, "space": {}} | changes)


def measured(server: Server, out: Path, timeout_s: float = 20.0) -> Measured:
    """Measure four requests of the defaults, as a trial of a study does it."""

    async def work() -> Measured:
        bare = declared(server, space={})
        bare = replace(bare, workload=replace(bare.workload, load=Load(timeout_s=timeout_s)))
        engine = Command(server, "default", out / "engine")
        session = Session(bare, engine, out, budget_s=60)
        try:
            prompts = Supply(bare.workload, held_out=False, seed=0).prompts(0)
            spec = TrialSpec("0000", Place("measure"), prompts, 4)
            return await session.measure(baseline(bare, engine), spec)
        finally:
            await session.aclose()

    return asyncio.run(work())


def test_a_port_that_is_fixed_and_taken_is_the_wrong_server(tmp_path: Path) -> None:
    """A command with a port of its own that another server has fails at once and says so."""
    with running() as (_, port):
        failed = failure(fake(settings=f'{{"port": {port}}}', knobs={}), tmp_path)

    assert failed.reason == "wrong_server"
    assert "another program has its port" in str(failed)
    assert "{{ port }}" in str(failed)


def test_a_port_that_was_ours_to_choose_is_chosen_again(tmp_path: Path) -> None:
    """A port that somebody took in between costs one more try, and the right server is used."""
    with running() as (_, port):
        ports = iter((port, free_port()))
        found, tries = started(fake(), tmp_path, lambda: next(ports))

    assert tries == 2
    assert found.address != f"http://127.0.0.1:{port}"
    assert found.mismatches == ()


def test_a_port_that_stays_taken_is_the_wrong_server(tmp_path: Path) -> None:
    """After two more tries the failure names the port; the foreign server is never measured."""
    with running() as (_, port):
        failed = failure(fake(), tmp_path, lambda: port)

    assert failed.reason == "wrong_server"
    assert f"port {port}" in str(failed)


def test_a_foreign_server_is_never_taken_for_ours(tmp_path: Path) -> None:
    """Ours runs without listening, a foreign one answers on its port: that is no start."""
    server = fake(command=(*SLEEPER, "{{ port }}"), start_timeout_s=0.5)
    with running() as (_, port):
        failed = failure(server, tmp_path, lambda: port)

    assert failed.reason == "wrong_server"
    assert f"another program answers on port {port}" in str(failed)


def test_a_server_that_never_gets_ready_is_a_timeout(tmp_path: Path) -> None:
    """The start has a deadline, after which the server is gone and the reason is said."""
    failed = failure(fake("--never-ready", start_timeout_s=1.0), tmp_path)

    assert failed.reason == "timeout"
    assert "not ready after 1 s" in str(failed)
    assert "GET /health" in str(failed)


def test_the_embedded_engine_has_a_deadline_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model that never finishes loading ends the start, not the study's budget."""
    monkeypatch.setattr(llamacpp, "START_DEADLINE_S", 0.5)
    engine = FakeEngine(tmp_path, ("--never-ready",))

    with pytest.raises(StartFailed, match=r"not ready after 0\.5 s") as failed:
        asyncio.run(engine.apply({n: k.default for n, k in engine.knobs.items()}))

    assert failed.value.reason == "timeout"
    assert not engine.alive()


def test_a_server_that_dies_at_start_is_a_crash(tmp_path: Path) -> None:
    """Exit code and the end of its log are in the message."""
    failed = failure(fake("--die-at-start", "3"), tmp_path)

    assert failed.reason == "crashed"
    assert "exit code 3" in str(failed)
    assert "exiting due to model loading error" in failed.log_tail


def test_a_server_that_dies_in_a_trial_costs_that_trial_alone(tmp_path: Path) -> None:
    """The baseline dies in the middle; it is pruned, and the other candidates are measured."""
    patience = Knob("patience", "restart", 0, "command")
    server = fake("--crash-after", "{{ patience }}", knobs=KNOBS | {"patience": patience})
    mortal = declared(
        server,
        baseline={"patience": 7},
        space={"patience": Choices((0, 7))},
        budget_s=120.0,
        slos=(Slo("e2e", 0.99, 20.0),),  # so that no slow machine decides what is late
    )

    async def work() -> list[Trial]:
        engine = Command(server, "default", tmp_path / "o" / "engine")
        base = baseline(mortal, engine)
        session = Session(mortal, engine, tmp_path / "o", budget_s=60)
        proposer = Proposer(mortal.space, base, "tpe", 0)
        screening = Screening(session, Queue(session, proposer), plan(mortal), Recorder(), [])
        try:
            await screening.controls(base)
            await screening.search()
            return screening.trials
        finally:
            await session.aclose()

    first, *others = asyncio.run(work())

    assert first.state == "pruned"
    assert [t.state for t in others] == ["complete"]
    assert all(s.outcome == "ok" for s in others[0].samples)


def test_an_answer_without_end_is_a_timeout(tmp_path: Path) -> None:
    """A stream that never stops is cut at the request's own timeout."""
    found = measured(fake("--endless"), tmp_path / "o", timeout_s=0.3)

    assert found.failed is None
    assert [s.outcome for s in found.counted] == ["timeout"] * 4


def test_garbage_is_an_error_with_its_text(tmp_path: Path) -> None:
    """Frames that are no JSON make each request an error, never an answer."""
    found = measured(fake("--garbage-every", "1"), tmp_path / "o")

    assert {s.outcome for s in found.counted} == {"error"}
    assert all("cannot be read" in (s.error or "") for s in found.counted)


def test_a_connection_that_closes_in_mid_stream_is_incomplete(tmp_path: Path) -> None:
    """Every second answer is cut: those are incomplete, the others whole."""
    found = measured(fake("--cut-every", "2"), tmp_path / "o")

    assert sorted(s.outcome for s in found.counted) == ["incomplete", "incomplete", "ok", "ok"]


def test_a_server_that_ignores_a_knob_is_not_measured(tmp_path: Path) -> None:
    """What was asked and what is in force stand in the reason, and no request is spent on it."""
    found = measured(fake("--ignore", "n_batch"), tmp_path / "o")

    assert found.failed == (
        "not in force: num_batch: asked for 512, in force is 2048 (tier restart)"
    )
    assert found.samples == ()
