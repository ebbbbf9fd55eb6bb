"""`tune run` beside production, through the command line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.test_cli import tune
from tests.cli.test_runs import FAST, RUN, STUDY, latest, study
from tests.workflow.beside import production as fake
from tests.workflow.beside.production import calls
from tuner.machine.counters import usable_cpus
from tuner.spec.beside import Production
from tuner.testing.fake_server import running
from tuner.workflow.beside import commands

LAST = max(usable_cpus())
only_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux confines so")


def document(folder: Path) -> dict[str, Any]:
    """Return the result of the newest run."""
    found: dict[str, Any] = json.loads((latest(folder) / "result.json").read_text())
    return found


@only_linux
def test_limits_are_in_force_told_and_part_of_what_makes_runs_alike(tmp_path: Path) -> None:
    """Options go over the file; the result says what was read back, and --resume asks for it."""
    folder = study(tmp_path / "r", f"{STUDY}beside: {{nice: 3, memory: 8GiB}}\n")
    found = tune("tune.yaml", "--budget", "8s", "--nice", "5", "--cpus", "1", cwd=folder)
    other = tune(
        "tune.yaml", "--budget", "9s", "--resume", "--out", str(latest(folder)), cwd=folder
    )

    assert found.returncode in (0, 3), found.stderr
    limits = document(folder)["environment"]["limits"]
    assert (limits["nice"], limits["cpus"], limits["memory_bytes"]) == (5, [LAST], 2**33)
    assert limits["missing"] == []
    said = f"imits of the engine: nice 5, CPUs {LAST}, 8192 MiB of "
    assert said in found.stderr
    assert said in " ".join(found.stdout.split())
    effective = json.loads((latest(folder) / "trials" / "0000" / "effective.json").read_text())
    assert effective["limits"] == limits
    assert other.returncode == 6, other.stderr
    assert "declared.engine.limits.nice" in other.stderr


@only_linux
def test_measurements_within_unlike_limits_are_not_compared(tmp_path: Path) -> None:
    """What an engine may take decides how fast it is."""
    folder = study(tmp_path / "r")
    for name, *limits in (("a",), ("b", "--nice", "5"), ("c", "--nice", "5")):
        done = tune("measure", "tune.yaml", "--requests", "5", "--out", name, *limits, cwd=folder)
        assert done.returncode in (0, 3), done.stderr

    unlike, alike = (tune("compare", a, b, cwd=folder) for a, b in ("ab", "bc"))
    assert unlike.returncode == 6, unlike.stderr
    assert "limits" in unlike.stderr
    assert alike.returncode != 6, alike.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--cpus", "3-1"), "--cpus"),
        (("--memory", "4"), "expected a size such as 4GiB"),
        (("--nice", "-1"), "--nice"),
        (("--cpus", "4095,"), "expected CPUs of"),
        (("--pause-production",), "add beside: {pause: [...], resume: [...], health: URL}"),
    ],
)
def test_wrong_options_are_input_errors(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    """Each is one sentence, and nothing is started."""
    found = tune(*RUN, *words, cwd=study(tmp_path / "r"))

    assert found.returncode == 2, found.stderr
    assert said in found.stderr


def test_limits_of_a_server_that_somebody_else_runs_are_not_pretended(tmp_path: Path) -> None:
    """It is told that they are not in force, and where they can be set."""
    with running("--ttft-ms", "1", "--itl-ms", "0.1") as (_, port):
        section = f'{{kind: openai, model: /models/model.gguf, url: "http://127.0.0.1:{port}"}}'
        text = STUDY.replace(f'{{kind: fake, model: "{FAST}"}}', section)
        folder = study(tmp_path / "r", text)
        found = tune("run", "tune.yaml", "--budget", "5s", "--nice", "5", cwd=folder)

    assert found.returncode in (0, 3), found.stderr
    assert "nice, cpus and memory are not in force" in found.stderr
    assert document(folder)["environment"]["limits"] is None


@pytest.fixture
def beside(tmp_path: Path) -> Iterator[tuple[Path, Production]]:
    """Give the folder of a study whose production serves, and that production."""
    with fake.running(tmp_path / "production") as production:
        section = {
            "pause": list(production.pause), "resume": list(production.resume),
            "health": production.health, "deadline": "10s",
        }  # fmt: skip
        text = STUDY + yaml.safe_dump({"beside": section})
        yield study(tmp_path / "r", text), production


def asked(folder: Path) -> list[str]:
    """Return what was asked of production, in order."""
    return calls(folder.parent / "production")


def test_production_is_stopped_only_where_that_is_asked_for(
    beside: tuple[Path, Production],
) -> None:
    """It serves before and after, and is told of."""
    folder, production = beside
    state = str(folder.parent / "state")
    left = tune(*RUN, cwd=folder, XDG_STATE_HOME=state)
    assert asked(folder) == []
    words = ("tune.yaml", "--budget", "8s", "--pause-production", "--out", "o")
    paused = tune(*words, cwd=folder, XDG_STATE_HOME=state)

    assert left.returncode in (0, 3), left.stderr
    assert paused.returncode in (0, 3), paused.stderr
    assert asked(folder) == ["stop", "start"]
    assert commands.serves(production.health)
    assert "production serves again" in paused.stderr


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)]
)
def test_production_serves_after_a_run_that_was_ended(
    beside: tuple[Path, Production], number: signal.Signals, code: int
) -> None:
    """At once after Ctrl-C and SIGTERM, and soon after SIGKILL."""
    folder, production = beside
    env = {**os.environ, "XDG_STATE_HOME": str(folder.parent / "state")}
    command = [sys.executable, "-m", "tuner", "tune.yaml", "--budget", "10m", "--pause-production"]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, cwd=folder, env=env, stdout=quiet, stderr=quiet) as run:
        deadline = time.monotonic() + 30
        while not list((folder / "out").glob("*/*/trials/0000")):
            assert run.poll() is None and time.monotonic() < deadline
            time.sleep(0.02)
        assert not commands.serves(production.health)
        run.send_signal(number)
        assert run.wait(30) == code

    assert commands.until_serving(production.health, 30.0 if number == signal.SIGKILL else 0.0)
    assert asked(folder) == ["stop", "start"]


def test_a_busy_production_is_waited_for_and_the_reason_told(tmp_path: Path) -> None:
    """Exit code 75: later it may do. Nothing was started, and --out is free."""
    with fake.running(tmp_path / "production") as production:
        (tmp_path / "production" / "metrics").write_text("requests 9\n")
        metric = {"url": production.health, "name": "requests", "above": 4}
        section = {"pause_while": {"metrics": metric, "patience": "1s"}}
        folder = study(tmp_path / "r", STUDY + yaml.safe_dump({"beside": section}))
        found = tune("tune.yaml", "--budget", "5s", "--out", "o", cwd=folder)
        (tmp_path / "production" / "metrics").write_text("requests 0\n")
        again = tune("tune.yaml", "--budget", "5s", "--out", "o", cwd=folder)

    assert found.returncode == 75, found.stderr
    assert "requests at" in found.stderr and "is 9, above 4" in found.stderr
    assert again.returncode in (0, 3), again.stderr
