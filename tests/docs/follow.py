"""Do what a page says, in an empty folder, with what the page says is there."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.docs.page import Block, Command, blocks, given
from tests.ollama import faked
from tests.ollama.stored import stored
from tests.vllm import pythons
from tuner.spec.study import load
from tuner.testing.fake_server import running

BUDGET = "2s"
"""Time for a run, in place of what the page says: it hardly ever proves anything."""

_MEASURES = re.compile(
    r"^tune (?!init|study|workload|lint|diff|doctor|compare|apply|rollback|history|schedule|notify"
    r"|config|paths|completion|cost|diagnose|-)"
)
_PORT = "8080"


def follow(text: str, folder: Path) -> None:
    """Do what a page says, and fail at the first thing that is not as it says."""
    with contextlib.ExitStack() as around:
        env, port = {"TUNE_BUDGET": BUDGET}, _PORT
        for there in given(text):
            if there == "server":
                _, found = around.enter_context(running("--ttft-ms", "1", "--itl-ms", "0.1"))
                port = str(found)
            elif there.startswith("ollama "):
                env |= around.enter_context(
                    _ollama(there.split()[1], folder.parent / f"{folder.name}-ollama")
                )
            elif there.startswith("vllm "):
                env |= _vllm(folder / there.split()[1], folder.parent / f"{folder.name}-vllm")
            elif there == "embedded":
                env["TUNE_BUDGET"] = "10s"
            else:
                name, _, value = there.partition("=")
                env[name] = value
        _steps(blocks(text.replace(_PORT, port)), folder, env)


def _steps(found: list[Block], folder: Path, env: Mapping[str, str]) -> None:
    for block in found:
        if block.not_run:
            continue
        if block.title:
            (folder / block.title).parent.mkdir(parents=True, exist_ok=True)
            (folder / block.title).write_text(block.text)
        elif block.language == "console":
            for command in block.commands():
                _run(command, folder, env)
        elif block.language == "yaml":
            _check_part(block.text, folder)
    for block in found:
        if block.language == "yaml" and block.title and block.text.startswith("version:"):
            load(folder / block.title)


def _run(command: Command, folder: Path, env: Mapping[str, str]) -> None:
    line = re.sub(r"--budget \S+", f"--budget {BUDGET}", command.line)
    path = f"{env.get('PATH', '')}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}"
    done = subprocess.run(
        ["/bin/sh", "-c", line],
        cwd=folder,
        env={**os.environ, **env, "PATH": path.lstrip(os.pathsep) + os.environ["PATH"]},
        input="y\n",
        capture_output=True,
        text=True,
    )
    said = done.stdout + done.stderr
    # in so short a time a run may prove its target, or not
    allowed = (0, 3) if _MEASURES.match(line) else (0,)
    expected = allowed if command.exit_code is None else (command.exit_code,)
    assert done.returncode in expected, f"$ {command.line}\nexit code {done.returncode}\n{said}"
    lines = {_shape(printed) for printed in said.splitlines()}
    for printed in command.printed:
        assert _shape(printed) in lines, f"$ {command.line}\nnot printed: {printed}\n{said}"


def _shape(line: str) -> str:
    """Return a line with one sign for every number, and one space for several."""
    return re.sub(r"\d+(\.\d+)?", "#", " ".join(line.split()))


def _check_part(text: str, folder: Path) -> None:
    """Read a part of a study as if it stood in a whole one."""
    (folder / "of-a-part").mkdir(exist_ok=True)
    prompts = '{"template": "one", "expect": {"contains": "1"}}\n'
    (folder / "of-a-part" / "prompts.jsonl").write_text(prompts)
    study = _merged(
        {"version": 1, "name": "part", "workload": {"prompts": "prompts.jsonl"}},
        yaml.safe_load(text),
    )
    path = folder / "of-a-part" / "study.yaml"
    path.write_text(yaml.safe_dump(study))
    load(path)


def _merged(under: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    both = dict(under)
    for key, value in over.items():
        inner = both.get(key)
        both[key] = _merged(inner, value) if isinstance(inner, dict) else value
    return both


def _vllm(model: Path, folder: Path) -> dict[str, str]:
    """Make a model's folder; give the environment of the stand-in for vLLM as a program."""
    pythons.model(model)
    pythons.program(folder)
    return {"PATH": str(folder), "XDG_CACHE_HOME": str(folder / "cache")}


@contextlib.contextmanager
def _ollama(model: str, folder: Path) -> Iterator[dict[str, str]]:
    """Give the environment of an Ollama that runs and has one model, and a program `ollama`."""
    models = folder / "models"
    models.mkdir(parents=True)
    stored(models, model, "latest", digest="sha256:0")  # what FakeOllama says it runs
    serve = f"{sys.executable} -m tuner.testing.fake_ollama"
    faked.script(
        folder,
        f'[ "$1" = serve ] && exec {serve} serve --model {model}:latest\nexec {serve} "$@"',
    )
    with faked.running("--model", f"{model}:latest") as address:
        yield {"OLLAMA_HOST": address, "OLLAMA_MODELS": str(models), "PATH": str(folder)}
