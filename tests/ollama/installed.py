"""The programs that `make ollama` built, and a folder of models for them to serve."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from ollama import Client

from tests.ollama.build import VERSIONS, program
from tests.ollama.requantize import requantize
from tuner.engines.models import default_path
from tuner.engines.serving.launch import free_port

MODEL = "smollm2:135m"
QUICKER = "smollm2:135m-instruct-q4_0"
LAUNCHER = Path(__file__).with_name("llama_server.py")


def complete(version: str, folder: Path) -> Path:
    """Return a complete Ollama of a version below `folder`; skip the test where it is not built.

    The newer generation gets its llama-server: a launcher of ours over xllamacpp.
    """
    built = program(version)
    if not built.is_file():
        pytest.skip(f"Ollama {version} is not built: run `make ollama`, which needs Go")
    ours = folder / version / "bin" / "ollama"
    if not ours.exists():
        ours.parent.mkdir(parents=True)
        shutil.copy(built, ours)
        launcher = folder / version / "lib" / "ollama" / "llama-server"
        launcher.parent.mkdir(parents=True)
        launcher.write_text(f'#!/bin/sh\nexec {sys.executable} {LAUNCHER} "$@"\n')
        launcher.chmod(0o755)
    return ours


_MADE: list[Path] = []
"""The folder of models that this process has made."""


def models(folder: Path) -> Path:
    """Return a folder of models below `folder`: the packaged one as MODEL, in Q4_0 as QUICKER.

    The older generation creates them from GGUF files, which the newer one cannot do without
    llama.cpp's quantizer; both serve them. They are made once: other folders hold links to the same
    weights, which no Ollama changes.
    """
    there = folder / "models"
    if not there.exists():
        if not _MADE:
            _MADE.append(_made(folder))
        shutil.copytree(_MADE[0], there, copy_function=_linked)
    return there


def _made(folder: Path) -> Path:
    made, quicker = folder / "made", folder / "q4_0.gguf"
    requantize(default_path(), quicker)
    with serving(complete(VERSIONS[0], folder), made) as host:
        _create(MODEL, default_path(), host)
        _create(QUICKER, quicker, host)
    return made


def _linked(source: str, target: str) -> None:
    """Link a blob, named by its digest; copy what may be written anew, as a manifest is."""
    if Path(source).parent.name == "blobs":
        os.link(source, target)
    else:
        shutil.copyfile(source, target)


def _create(name: str, weights: Path, host: str) -> None:
    with Client(host) as server:
        digest = server.create_blob(weights)
        server.create(name, files={weights.name: digest})


@contextmanager
def serving(ollama: Path, folder: Path, **variables: str) -> Iterator[str]:
    """Run `ollama serve` over a folder of models; yield its address as OLLAMA_HOST takes it."""
    host = f"127.0.0.1:{free_port()}"
    env = _environment(host, folder) | variables
    quiet = subprocess.DEVNULL
    server = subprocess.Popen([str(ollama), "serve"], env=env, stdout=quiet, stderr=quiet)
    try:
        _wait(ollama, env)
        yield host
    finally:
        server.terminate()
        server.wait(10)


def _environment(host: str, folder: Path) -> dict[str, str]:
    ours = {"OLLAMA_HOST": host, "OLLAMA_MODELS": str(folder), "OLLAMA_NO_CLOUD": "1"}
    return {**os.environ, **ours}


def _wait(ollama: Path, env: dict[str, str]) -> None:
    deadline = time.monotonic() + 20
    while subprocess.run([str(ollama), "list"], env=env, capture_output=True).returncode:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{ollama} serve does not answer")
        time.sleep(0.1)
