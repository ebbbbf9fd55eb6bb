"""What takes longer than the budget ends all the same, and what was measured is kept."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.cli.test_cli import FAST, tune
from tests.ollama import faked
from tests.ollama.stored import stored

PTRACE_SEIZE = 0x4206  # linux/ptrace.h
WALL = 0x40000000
TUNE = (sys.executable, "-m", "tuner")

NEVER_READY = """
version: 1
name: slow
engine:
  kind: command
  command: [python, -c, "import time; time.sleep(600)", "{{ port }}", "{{ n }}"]
  start_timeout: 590s
  knobs: {n: {tier: restart, default: 1}}
workload: {prompts: prompts.jsonl}
slo: [{metric: e2e, quantile: 0.99, max_ms: 100}]
space: {n: [1, 2]}
search: {budget: 2s}
"""


def _engine_of(tune: psutil.Process) -> psutil.Process | None:
    """Return the server that a `tune` runs, not its supervisor."""
    for child in tune.children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            words = child.cmdline()
            supervisor = "tuner.engines.serving.supervisor" in words
            if "tuner.testing.fake_server" in words and not supervisor:
                return child
    return None


@contextlib.contextmanager
def _not_reaped(tune: subprocess.Popen[str], folder: Path) -> Iterator[int]:
    """Keep the running engine from going away when it is killed, as a stuck driver does.

    A process that is traced stays until its tracer has looked at it, whatever kills it.
    """
    deadline = time.monotonic() + 30
    while not ((engine := _engine_of(psutil.Process(tune.pid))) and list(folder.glob("engine/*"))):
        assert tune.poll() is None, tune.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    if ctypes.CDLL(None).ptrace(PTRACE_SEIZE, engine.pid, 0, 0) != 0:
        pytest.skip("this system lets no process be traced")
    try:
        yield engine.pid
    finally:
        with contextlib.suppress(ProcessLookupError):
            engine.kill()
        os.waitpid(engine.pid, WALL)


@pytest.mark.skipif(sys.platform != "linux", reason="traced as on Linux")
def test_an_engine_that_does_not_end_is_given_up_and_named(tmp_path: Path) -> None:
    """SIGKILL does not end it: after a bounded time the result is there, with the process's id."""
    words = ["--engine", "fake", "--model", "--ttft-ms 40", "--requests", "40", "--json"]
    with subprocess.Popen(
        [*TUNE, "measure", *words, "--out", "o"], cwd=tmp_path, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    ) as running, _not_reaped(running, tmp_path / "o") as pid:  # fmt: skip
        document, said = running.communicate(timeout=50)

    assert running.returncode == 3, said  # forty requests prove nothing
    assert json.loads(document)["n"] == 40
    assert f"process {pid} of the engine does not end, 10 s after SIGKILL" in " ".join(said.split())
    assert "Traceback" not in said


@pytest.mark.timeout(150)
@pytest.mark.skipif(sys.platform != "linux", reason="traced as on Linux")
def test_a_run_goes_on_beside_an_engine_that_does_not_end(tmp_path: Path) -> None:
    """The candidate that should have taken its place fails with the reason; the others go on."""
    words = ["--engine", "fake", "--model", FAST, "--target-p99", "50", "--budget", "25s"]
    with subprocess.Popen(
        [*TUNE, "run", *words, "--out", "o", "--quiet"], cwd=tmp_path, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    ) as running, _not_reaped(running, tmp_path / "o") as pid:  # fmt: skip
        _, said = running.communicate(timeout=120)
    trials = (json.loads(f.read_text()) for f in sorted(tmp_path.glob("o/trials/*/trial.json")))
    failed = [t["failed"] for t in trials]

    assert running.returncode in (0, 3), said
    assert [f"process {pid} of" in f for f in failed if f] == [True]
    assert failed[-1] is None


@pytest.mark.timeout(90)
def test_a_start_gets_no_more_than_the_budget_and_a_little(tmp_path: Path) -> None:
    """A server that is not ready after it is given up, though its own limit is far away."""
    prompts = [{"template": "a"}, {"template": "b", "held_out": True}]
    (tmp_path / "prompts.jsonl").write_text("\n".join(map(json.dumps, prompts)))
    (tmp_path / "s.yaml").write_text(NEVER_READY)
    found = tune("run", "s.yaml", "--out", "o", cwd=tmp_path)

    assert found.returncode in (3, 5), found.stderr
    assert "since the budget was used up" in " ".join(found.stderr.split())
    assert list(tmp_path.glob("o/trials/0000/trial.json"))


@pytest.mark.timeout(120)
def test_cold_starts_get_no_more_than_the_budget_and_a_little(tmp_path: Path) -> None:
    """A model that loads for minutes costs the result its cold starts, and nothing else."""
    stored(tmp_path / "models", "small", "latest", digest="sha256:0")  # which its runner tells
    faked.program(tmp_path, "--cold-ms 600000")
    words = ["--engine", "ollama", "--model", "small", "--target-p99", "2000", "--budget", "12s"]
    found = tune(
        "run", *words, "--out", "o", cwd=tmp_path, OLLAMA_MODELS=str(tmp_path / "models"),
        PATH=f"{tmp_path}:{os.environ['PATH']}",
    )  # fmt: skip

    assert found.returncode in (0, 3), found.stderr
    assert "cold starts were not measured: none ended within" in " ".join(found.stderr.split())
    assert json.loads((tmp_path / "o" / "result.json").read_text())["cold"] is None
