"""Production that is stopped for measuring runs again, whatever happens in between."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from tests.processes import hear_signals
from tests.workflow.beside import production as fake
from tests.workflow.beside.production import calls
from tuner.spec.beside import Production
from tuner.spec.errors import Busy, InputError, Locked, ProductionDown
from tuner.workflow.beside import commands, pausing
from tuner.workflow.beside.pausing import bring_back, paused


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give production's folder, with a state folder of its own beside it."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(pausing, "WAITS_S", (0.0, 0.1, 0.1))
    return tmp_path / "production"


@pytest.fixture
def production(folder: Path) -> Iterator[Production]:
    """Give a production that serves."""
    with fake.running(folder) as found:
        yield found


def serves(production: Production) -> bool:
    """Tell whether production serves now."""
    return commands.serves(production.health)


def noted(folder: Path) -> list[Path]:
    """Return the notes of productions that are paused."""
    return list((folder.parent / "state" / "modelfile-tuner").glob("production-*.json"))


def test_it_is_stopped_for_the_block_and_serves_after_it(
    production: Production, folder: Path
) -> None:
    """A note tells of it meanwhile."""
    said: list[str] = []
    with paused(production, said.append):
        assert not serves(production)
        assert len(noted(folder)) == 1

    assert serves(production)
    assert noted(folder) == []
    assert calls(folder) == ["stop", "start"]
    assert said[-1] == f"production serves again: {production.health} answers"


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, asyncio.CancelledError])
def test_it_serves_after_any_exception(
    production: Production, folder: Path, error: type[BaseException]
) -> None:
    """Which goes on its way."""
    with pytest.raises(error), paused(production, print):
        raise error

    assert serves(production)
    assert noted(folder) == []


@pytest.mark.parametrize("how", ["stop-fails", "stop-fails-late"])
def test_where_stopping_fails_it_serves_and_nothing_is_measured(
    production: Production, folder: Path, how: str
) -> None:
    """Whether the command had stopped it or not; its output is told."""
    (folder / how).touch()
    with pytest.raises(Busy, match="could not be stopped") as refused, paused(production, print):
        pytest.fail("measured all the same")

    assert "ended with exit code" in str(refused.value)
    assert serves(production)
    assert calls(folder) == ["stop", "start"]
    assert noted(folder) == []


def test_a_stop_that_hangs_is_ended_at_its_deadline(production: Production, folder: Path) -> None:
    """And production is started, to be safe."""
    (folder / "stop-hangs").touch()
    short = replace(production, deadline_s=1.0)
    with pytest.raises(Busy, match="did not end within 1 s"), paused(short, print):
        pytest.fail("measured all the same")

    assert serves(production)


def test_a_start_that_fails_is_tried_again(production: Production, folder: Path) -> None:
    """Each failure is told with what it printed."""
    said: list[str] = []
    with paused(production, said.append):
        (folder / "start-fails").write_text("once\ntwice")

    assert serves(production)
    assert calls(folder) == ["stop", "start", "start", "start"]
    assert sum("port is still taken" in line for line in said) == 2


@pytest.mark.parametrize("how", ["start-fails", "start-does-nothing"])
def test_production_that_stays_down_is_told_loudly_and_tried_at_the_next_start(
    production: Production, folder: Path, how: str
) -> None:
    """With the command to run by hand; the note stays until it serves."""
    short = replace(production, deadline_s=2.0)
    with pytest.raises(ProductionDown, match="PRODUCTION IS DOWN") as down, paused(short, print):
        (folder / how).write_text("\n".join("no" for _ in range(9)))

    assert commands.shown(production.resume) in str(down.value)
    assert production.health in str(down.value)
    assert len(noted(folder)) == 1
    (folder / how).unlink()
    bring_back(print)
    assert serves(production)
    assert noted(folder) == []


def test_an_error_is_not_lost_where_production_stays_down(
    production: Production, folder: Path
) -> None:
    """It is the context of the louder one."""
    short = replace(production, deadline_s=2.0)
    with pytest.raises(ProductionDown) as down, paused(short, print):
        (folder / "start-does-nothing").touch()
        raise RuntimeError("the disk is full")

    assert str(down.value.__context__) == "the disk is full"


def test_a_start_that_stays_in_the_foreground_is_left_running(
    production: Production, folder: Path
) -> None:
    """It serves: to end the command would end production."""
    short = replace(production, deadline_s=2.0)
    with paused(short, print):
        (folder / "start-stays").touch()

    assert serves(production)


def test_production_that_did_not_serve_before_is_left_as_it_is(
    production: Production, folder: Path
) -> None:
    """That is told; whoever stopped it had a reason."""
    subprocess.run(production.pause, check=True)
    (folder / "calls").unlink()
    said: list[str] = []
    with paused(production, said.append):
        pass

    assert calls(folder) == []
    assert "production did not serve before" in said[0]
    assert noted(folder) == []


def test_two_at_once_do_not_pause_it_twice(production: Production, folder: Path) -> None:
    """The second is sent away, and does not start what the first one needs stopped."""
    with paused(production, print):
        with pytest.raises(Locked), paused(production, print):
            pytest.fail("paused twice")
        bring_back(print)
        assert not serves(production)

    assert calls(folder) == ["stop", "start"]


@pytest.mark.parametrize("which", ["pause", "resume"])
def test_a_command_that_is_not_there_is_found_before_anything_is_stopped(
    production: Production, folder: Path, which: str
) -> None:
    """Of the second it would be too late."""
    wrong = replace(production, **{which: ("no-such-program",)})
    with pytest.raises(InputError, match="no-such-program"), paused(wrong, print):
        pytest.fail("started")

    assert calls(folder) == []


OWNER = """
from tuner.cli.program import run_loop
from tuner.spec.beside import Production
from tuner.workflow.beside.pausing import paused
import asyncio

async def work():
    with paused(Production({pause!r}, {resume!r}, {health!r}, {deadline_s!r}), print):
        print("paused", flush=True)
        await asyncio.sleep(600)

run_loop(work)
"""


@contextmanager
def owner(production: Production) -> Iterator[subprocess.Popen[str]]:
    """Run a process that pauses production."""
    code = OWNER.format(
        pause=production.pause,
        resume=production.resume,
        health=production.health,
        deadline_s=production.deadline_s,
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"}, preexec_fn=hear_signals,
    ) as running:  # fmt: skip
        yield running


def until_paused(running: subprocess.Popen[str]) -> None:
    """Wait until a process has paused production."""
    assert running.stdout is not None
    while running.stdout.readline() != "paused\n":
        assert running.poll() is None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_serves_after_a_signal(
    production: Production, folder: Path, number: signal.Signals
) -> None:
    """A second signal, while it is being started again, does not keep it from that."""
    with owner(production) as running:
        until_paused(running)
        assert not serves(production)
        running.send_signal(number)
        running.send_signal(number)
        running.wait(30)

    assert serves(production)
    assert noted(folder) == []


def test_it_serves_after_a_signal_while_it_was_being_stopped(
    production: Production, folder: Path
) -> None:
    """The command is ended at its deadline, and production started."""
    (folder / "stop-hangs").touch()
    with owner(replace(production, deadline_s=2.0)) as running:
        while "stop" not in calls(folder):
            assert running.poll() is None
        running.send_signal(signal.SIGTERM)
        running.wait(30)

    assert serves(production)
    assert noted(folder) == []
    assert calls(folder) == ["stop", "start"]


def test_a_guardian_starts_it_where_tune_was_killed(production: Production, folder: Path) -> None:
    """At once, since the next run may be a day away."""
    with owner(production) as running:
        until_paused(running)
        running.kill()
        running.wait(30)
    deadline = time.monotonic() + 30
    while noted(folder) and time.monotonic() < deadline:
        time.sleep(0.05)

    assert serves(production)
    assert calls(folder) == ["stop", "start"]


def test_the_next_start_brings_back_what_a_killed_one_left(
    production: Production, folder: Path
) -> None:
    """Where the guardian died as well; the note tells how, whatever study is run next."""
    with owner(production) as running:
        until_paused(running)
        for child in psutil.Process(running.pid).children():
            child.kill()
        running.kill()
        running.wait(30)
    assert not serves(production)
    said: list[str] = []
    bring_back(said.append)

    assert serves(production)
    assert noted(folder) == []
    assert "an earlier tune was killed while production was paused" in said[0]
    bring_back(pytest.fail)


def test_a_note_that_cannot_be_read_is_named(folder: Path) -> None:
    """Nobody can tell what it was about: a person looks."""
    state = folder.parent / "state" / "modelfile-tuner"
    state.mkdir(parents=True)
    (state / "production-1.json").write_text("{")
    with pytest.raises(InputError, match="see that production serves, and remove it"):
        bring_back(print)
