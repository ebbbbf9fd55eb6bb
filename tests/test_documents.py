"""What the documents show is what happens."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from bench.__main__ import demo_table
from tuner.engines.serving.launch import free_port
from tuner.spec.study import load
from tuner.testing.fake_server import running

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^\$ (tune .*)$", README, re.MULTILINE)


def block(language: str, holding: str) -> str:
    """Return the README's one fenced block of a language that holds some words."""
    found = re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)
    (only,) = (text for text in found if holding in text)
    return str(only)


def tune(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run `tune` in a folder as from the environment that it is installed in."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        [sys.executable, "-m", "tuner", *words],
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_the_readme_is_understood(command: str, tmp_path: Path) -> None:
    """Each `tune` line parses as a real command line does (its help stands in for the work)."""
    words = [w for w in shlex.split(command)[1:] if not w.endswith((".yaml", ".gguf"))]
    found = subprocess.run(
        [sys.executable, "-m", "tuner", *words, "--help"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )

    assert found.returncode == 0, found.stderr


def test_the_readme_s_own_study_can_be_measured(tmp_path: Path) -> None:
    """Copying the example study and its prompts out of the README works at the first try."""
    study = block("yaml", "kind: openai")
    with running("--ttft-ms", "1", "--itl-ms", "0.1") as (_, port):
        (tmp_path / "prompts.jsonl").write_text(block("json", "template"))
        path = tmp_path / "study.yaml"
        path.write_text(study.replace("8080", str(port)))
        found = tune(tmp_path, "measure", "study.yaml", "--requests", "10", "--json")

    assert load(path).engine == "openai"
    assert found.returncode == 3, found.stderr  # ten requests prove no p99
    assert json.loads(found.stdout)["n"] == 10


def test_the_readme_s_server_of_one_s_own_can_be_tuned(tmp_path: Path) -> None:
    """The study of a command works verbatim, and what comes out starts the server."""
    (tmp_path / "prompts.jsonl").write_text(block("json", "template"))
    (tmp_path / "own-server.yaml").write_text(block("yaml", "kind: command"))
    found = tune(tmp_path, "own-server.yaml", "--budget", "10s", "--out", "o")

    assert found.returncode in (0, 3), found.stderr  # ten seconds hardly prove a p99
    assert "o/serve.sh (starts the server: threads)" in found.stdout
    client = json.loads((tmp_path / "o" / "client.json").read_text())
    assert {"temperature", "max_tokens"} == set(client["request"])
    assert not (tmp_path / "o" / "ask_ollama.py").exists()  # it is no Ollama
    assert serves(tmp_path / "o" / "serve.sh")


def serves(script: Path) -> bool:
    """Tell whether a script starts a server on the port that PORT names, and end it."""
    port = free_port()
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    started = subprocess.Popen([script], env={**os.environ, "PATH": path, "PORT": str(port)},
                               stderr=subprocess.DEVNULL)  # fmt: skip
    try:
        return any(is_up(port) or time.sleep(0.1) for _ in range(200))
    finally:
        started.kill()
        started.wait()


def is_up(port: int) -> bool:
    """Tell whether a server on a port says that it is healthy."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def test_the_recorded_runs_are_those_the_readme_quotes() -> None:
    """Each number of the README's table is the recorded one."""
    recorded = sorted((ROOT / "bench" / "recorded").glob("demo-*.json"))

    assert recorded
    for line in demo_table(recorded):
        assert line in README
