"""`tune apply` whose check in place does not end: what serves then, and what is said of it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.cli.test_apply import result_of
from tests.cli.test_cli import tune
from tests.ollama import faked
from tests.processes import hear_signals
from tuner.engines.ollama.emitted.deployment import OllamaDeployment
from tuner.engines.ollama.models import OllamaModels
from tuner.evaluate.measurement import Measurement
from tuner.machine.disturbance import Disturbance
from tuner.spec.shipped import studies
from tuner.spec.study import load
from tuner.workflow.service.apply import apply
from tuner.workflow.service.in_place import measure
from tuner.workflow.service.journal import locked
from tuner.workflow.service.proposal import propose

SLOW = ("--ttft-ms", "400")
OLD, NEW = 'SYSTEM """old"""', 'SYSTEM """new"""'


def _serving_old(host: str) -> OllamaModels:
    server = OllamaModels(host)
    server.create("x", {"from": faked.MODEL, "system": "old"})
    return server


@contextlib.contextmanager
def applying(
    folder: Path, host: str, *words: str, name: str = "x"
) -> Iterator[subprocess.Popen[str]]:
    """Run a `tune apply`, and end it whatever happens."""
    command = [sys.executable, "-m", "tuner", "apply", str(folder / "r"), "--name", name]
    command += ["--attach", host, "--yes", *words]
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=hear_signals,
    ) as running:  # fmt: skip
        try:
            yield running
        finally:
            running.kill()


def until(true: Callable[[], Any], running: subprocess.Popen[str]) -> None:
    """Wait until something is true of a server while a `tune` runs."""
    deadline = time.monotonic() + 30
    while not true():
        assert running.poll() is None, running.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _checking(server: OllamaModels) -> bool:
    """Tell whether the new model has the name and nothing else is left to be done."""
    temporary = any(n.startswith("modelfile-tuner-next") for n in server.names())
    return NEW in server.modelfile("x") and not temporary


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_check_that_is_interrupted_leaves_the_old_model(
    tmp_path: Path, number: signal.Signals, times: int
) -> None:
    """However impatiently: the name serves the old model again, that is said, nothing is left."""
    result_of(tmp_path / "r")
    with faked.running(*SLOW) as host:
        server = _serving_old(host)
        with applying(tmp_path, host) as running:
            until(lambda: _checking(server), running)
            for _ in range(times):
                running.send_signal(number)
                time.sleep(0.05)
            _, said = running.communicate(timeout=30)

        assert running.returncode == 128 + number, said
        assert "rolled back: x:latest is what it was before" in said
        assert "Traceback" not in said
        assert OLD in server.modelfile("x")
        assert server.names() == [faked.MODEL, "x:latest"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_apply_that_is_interrupted_while_it_creates_changes_nothing(
    tmp_path: Path, number: signal.Signals
) -> None:
    """Before the name changes hands the temporary model goes, and there is nothing to say."""
    result_of(tmp_path / "r")
    with faked.running("--create-ms", "500") as host:
        server = _serving_old(host)
        with applying(tmp_path, host) as running:
            until(lambda: len(server.names()) > 2, running)
            running.send_signal(number)
            _, said = running.communicate(timeout=30)

        assert running.returncode == 128 + number, said
        assert OLD in server.modelfile("x")
        assert server.names() == [faked.MODEL, "x:latest"]


def test_a_first_model_whose_check_is_interrupted_is_removed(tmp_path: Path) -> None:
    """Nothing served under the name before, and nothing unverified does after."""
    result_of(tmp_path / "r")
    with faked.running(*SLOW) as host:
        server = OllamaModels(host)
        with applying(tmp_path, host) as running:
            until(lambda: server.names() == [faked.MODEL, "x:latest"], running)
            running.send_signal(signal.SIGINT)
            _, said = running.communicate(timeout=30)

        assert running.returncode == 130, said
        assert "x:latest is removed, nothing served as it before" in said
        assert server.names() == [faked.MODEL]


@pytest.mark.parametrize("answers", [0, 5])
def test_a_server_that_dies_while_checked_leaves_the_command_that_goes_back(
    tmp_path: Path, answers: int
) -> None:
    """Nobody can take it back then: it is said what may serve, and what brings the old one back.

    That it answered some requests before changes nothing.
    """
    result_of(tmp_path / "r")
    with contextlib.ExitStack() as stack, faked.running("--ttft-ms", "1000") as host:
        server = _serving_old(host)
        running = stack.enter_context(applying(tmp_path, host, "--json"))
        until(lambda: _checking(server), running)
        time.sleep(1.2 * answers)
        (kept,) = (n for n in server.names() if "-before-" in n)
        faked.kill(host)
        _, said = running.communicate(timeout=50)

    assert running.returncode == 5, said
    assert "x:latest may serve the new model, whose check did not end well" in said
    assert f"`tune rollback x:latest --attach {host}` brings back {kept}" in said
    assert "Traceback" not in said


def test_a_client_that_dies_leaves_the_old_model(tmp_path: Path) -> None:
    """A process that sends the load is killed in the middle of the check."""
    result_of(tmp_path / "r")
    shutil.copytree(studies(), tmp_path / "s")
    file = tmp_path / "s" / "task-api.yaml"
    load = "load: {concurrency: 2, client_processes: 2}"
    file.write_text(file.read_text().replace("load: {concurrency: 1}", load))
    with faked.running(*SLOW) as host:
        server = _serving_old(host)
        with applying(tmp_path, host, "--study", str(file)) as running:
            until(lambda: psutil.Process(running.pid).children(), running)
            psutil.Process(running.pid).children()[0].kill()
            _, said = running.communicate(timeout=30)

        assert running.returncode == 1, said
        assert "rolled back: x:latest is what it was before" in said
        assert OLD in server.modelfile("x")


FULL = """
mount -t tmpfs -o size=1m none disk || exit 99
cp -r r disk/r
mkdir disk/r/service
head -c 2m /dev/zero > disk/ballast 2> /dev/null
exec "$@"
"""


@pytest.mark.parametrize("state", ["state", "disk"])
def test_a_full_disk_leaves_the_old_model(tmp_path: Path, state: str) -> None:
    """Where the check cannot be kept it is taken back; without a note nothing is begun."""
    result = Path(result_of(tmp_path / "r"))
    (result / "ollama.env").unlink()
    (tmp_path / "disk").mkdir()
    if shutil.which("unshare") is None:
        pytest.skip("a small disk of one's own needs unshare (Linux)")
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", FULL, "sh"]
    command += [sys.executable, "-m", "tuner", "apply", "disk/r", "--name", "x", "--yes"]
    env = {**os.environ, "XDG_STATE_HOME": str(tmp_path / state)}
    with faked.running() as host:
        server = _serving_old(host)
        found = subprocess.run(
            [*command, "--attach", host], cwd=tmp_path, env=env, capture_output=True, text=True
        )
        if found.returncode == 99 or "unshare:" in found.stderr:
            pytest.skip("this system allows no mount of one's own")

        assert found.returncode in (1, 2), found.stderr
        assert "cannot write" in found.stderr
        assert ("rolled back: x:latest" in found.stderr) == (state == "state")
        assert "Traceback" not in found.stderr
        assert OLD in server.modelfile("x")
        assert server.names() == [faked.MODEL, "x:latest"]


def test_a_crash_of_our_own_leaves_the_old_model(tmp_path: Path) -> None:
    """What is wrong with `tune` itself is no reason to let an unverified model serve."""
    result = Path(result_of(tmp_path / "r"))
    said: list[str] = []

    def crash() -> Any:
        raise RuntimeError("a bug")

    with faked.running() as host:
        server = _serving_old(host)
        x = OllamaDeployment(host, "x")
        with locked(x) as journal, pytest.raises(RuntimeError, match="a bug"):
            proposal = propose(result, "env", x)
            apply(proposal, x, journal, datetime(2026, 11, 26), said.append, crash)

        assert said == ["rolled back: x:latest is what it was before"]
        assert journal.unfinished() is None
        assert OLD in server.modelfile("x")
        assert server.names() == [faked.MODEL, "x:latest"]


@pytest.mark.parametrize("command", ["apply", "rollback"])
@pytest.mark.parametrize("before", [True, False])
def test_what_a_killed_apply_left_is_repaired_by_the_next_one(
    tmp_path: Path, before: bool, command: str
) -> None:
    """After SIGKILL nothing can be said: a dry run tells of it, who changes the name mends it."""
    result = result_of(tmp_path / "r")
    with faked.running(*SLOW) as host:
        server = _serving_old(host) if before else OllamaModels(host)
        with applying(tmp_path, host) as running:
            until(lambda: "x:latest" in server.names() and _checking(server), running)
            running.kill()
        words = ["--attach", host]
        look = tune("apply", result, "--name", "x", "--dry-run", *words, cwd=tmp_path)
        told = server.modelfile("x")
        if command == "apply":  # nobody agrees to the new one
            again = tune("apply", result, "--name", "X", *words, cwd=tmp_path, input="n\n")
        else:
            again = tune("rollback", "X", *words, cwd=tmp_path)

        does = "brings back x:latest-before-" if before else "removes it"
        assert (look.returncode, again.returncode) == (0, 0), look.stderr + again.stderr
        assert "the check in place of the tune apply of 20" in look.stderr
        assert "x:latest serves what was not checked" in look.stderr
        assert f"`tune rollback x:latest --attach {host}` {does}" in look.stderr
        assert NEW in told
        did = "is what it was before" if before else "is removed, nothing served as it before"
        assert f"did not end; rolled back: x:latest {did}" in again.stderr
        assert server.names() == ([faked.MODEL, "x:latest"] if before else [faked.MODEL])
        assert not before or OLD in server.modelfile("x")
        last = tune("apply", result, "--name", "x", "--dry-run", *words, cwd=tmp_path)
        assert "the check in place of" not in last.stderr


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_what_somebody_else_made_of_the_name_meanwhile_stays(
    tmp_path: Path, number: signal.Signals, before: bool
) -> None:
    """Neither the apply that is cut off nor the next one takes back what was not its own."""
    result = result_of(tmp_path / "r")
    with faked.running(*SLOW) as host:
        server = _serving_old(host) if before else OllamaModels(host)
        with applying(tmp_path, host) as running:
            until(lambda: "x:latest" in server.names() and _checking(server), running)
            server.create("x", {"from": faked.MODEL, "system": "by hand"})
            running.send_signal(number)
            _, said = running.communicate(timeout=30)
        found = tune("apply", result, "--name", "x", "--dry-run", "--attach", host, cwd=tmp_path)

        changed = "x:latest was changed by somebody else meanwhile, and stays as it is"
        assert number == signal.SIGKILL or changed in said
        assert "the check in place of" not in found.stderr
        assert 'SYSTEM """by hand"""' in server.modelfile("x")


def test_an_apply_killed_while_it_created_is_cleaned_up_without_a_word(tmp_path: Path) -> None:
    """Its temporary model goes with the next apply, since the name never changed hands."""
    result = result_of(tmp_path / "r")
    with faked.running("--create-ms", "300") as host:
        server = _serving_old(host)
        with applying(tmp_path, host) as running:
            until(lambda: len(server.names()) > 2, running)
            running.kill()
            running.wait()
        words = ["--name", "y", "--attach", host, "--yes", "--requests", "0"]
        found = tune("apply", result, *words, cwd=tmp_path)

        assert found.returncode == 0, found.stderr
        assert "the check in place of" not in found.stderr
        assert server.names() == [faked.MODEL, "x:latest", "y:latest"]


def test_the_second_of_two_applies_to_a_name_exits_75(tmp_path: Path) -> None:
    """So does a rollback; the first goes on undisturbed, however the name is said."""
    result = result_of(tmp_path / "r")
    with faked.running(*SLOW) as host:
        server = _serving_old(host)
        other = host.replace("127.0.0.1", "localhost")
        with applying(tmp_path, host, "--requests", "40") as running:
            until(lambda: _checking(server), running)
            words = ["--attach", other, "--yes"]
            second = tune("apply", result, "--name", "X:Latest", *words, cwd=tmp_path)
            back = tune("rollback", "x", "--attach", host, cwd=tmp_path)
            _, said = running.communicate(timeout=30)

        for found in (second, back):
            assert found.returncode == 75, found.stderr
            assert "is being changed by another tune apply or rollback" in found.stderr
        assert running.returncode == 0, said
        assert NEW in server.modelfile("x")


def test_two_applies_to_two_names_leave_each_other_alone(tmp_path: Path) -> None:
    """Each has a temporary model of its own, and removes only that."""
    result = result_of(tmp_path / "r")
    with faked.running("--create-ms", "3000") as host:
        server = OllamaModels(host)
        with applying(tmp_path, host, "--requests", "0") as running:
            until(lambda: len(server.names()) > 1, running)
            words = ["--name", "y", "--attach", host, "--yes", "--requests", "0"]
            second = tune("apply", result, *words, cwd=tmp_path)
            _, said = running.communicate(timeout=30)

        assert (running.returncode, second.returncode) == (0, 0), said + second.stderr
        assert server.names() == [faked.MODEL, "x:latest", "y:latest"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
def test_a_check_on_a_busy_machine_says_so(tmp_path: Path) -> None:
    """In its lines and in the document; what it decides there is decided as ever."""
    result_of(tmp_path / "r")
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
    try:
        with (
            faked.running("--ttft-ms", "100") as host,
            applying(tmp_path, host, "--json", "--requests", "15") as running,
        ):
            document, said = running.communicate(timeout=50)

        assert running.returncode == 0, said
        assert "in place: disturbed, other processes took" in said
        assert "during the check in place" in json.loads(document)["disturbed"][0]
    finally:
        for process in busy:
            process.kill()
            process.wait()


def test_a_roll_back_on_a_busy_machine_says_so(tmp_path: Path) -> None:
    """The sentence of the roll-back itself tells that it may have been the machine."""
    result = Path(result_of(tmp_path / "r", max_ms=0.001))
    said: list[str] = []
    with faked.running() as host:
        _serving_old(host)
        x, study = OllamaDeployment(host, "x"), load(studies() / "task-api.yaml")
        proposal = propose(result, "env", x)

        def check() -> Measurement:
            found = asyncio.run(measure(proposal, study, x, tmp_path / "o", 60))
            busy = Disturbance(30.0, others=0.34)
            return replace(found, saturated=None, machine=busy)

        with locked(x) as journal:
            done = apply(proposal, x, journal, datetime(2026, 11, 26), said.append, check)

    assert done.failed
    assert said == [
        "rolled back: x:latest is what it was before; the machine was busy (other processes took "
        "34 % of the CPUs during the check in place): apply it again when it is quiet"
    ]


def test_a_state_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """Nothing is put into service that could not be taken back."""
    result = result_of(tmp_path / "r")
    (tmp_path / "file").write_text("")
    with faked.running() as host:
        words = ["--name", "x", "--attach", host, "--yes"]
        state = str(tmp_path / "file")
        found = tune("apply", result, *words, cwd=tmp_path, XDG_STATE_HOME=state)

        assert found.returncode == 2, found.stderr
        assert "let XDG_STATE_HOME name a folder that can be written" in found.stderr
        assert OllamaModels(host).names() == [faked.MODEL]
