"""FakeOllama as a program on disk, and as a server that somebody else runs."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil

from tuner.engines.serving.launch import free_port
from tuner.machine.processes import listening_ports

MODEL = "small:latest"


def script(folder: Path, text: str) -> str:
    """Write a program called ollama of a few lines and return its path."""
    path = folder / "ollama"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def program(folder: Path, *options: str) -> str:
    """Return the path of a FakeOllama with options."""
    given = " ".join(["--model", MODEL, *options])
    return script(
        folder,
        f'[ "$1" = serve ] && exec {sys.executable} -m tuner.testing.fake_ollama serve {given}\n'
        f'exec {sys.executable} -m tuner.testing.fake_ollama "$@"',
    )


@contextlib.contextmanager
def running(*options: str, at: str = "127.0.0.1") -> Iterator[str]:
    """Run a FakeOllama as somebody else's server; yield its address and end it in any case."""
    host = f"{at}:{free_port()}"
    command = [sys.executable, "-m", "tuner.testing.fake_ollama", "serve", "--model", MODEL]
    env = {**os.environ, "OLLAMA_HOST": host}
    server = subprocess.Popen([*command, *options], env=env, stdout=subprocess.DEVNULL)
    try:
        _wait(f"http://{host}/api/version")
        yield f"http://{host}"
    finally:
        server.terminate()
        server.wait(10)


def kill(address: str) -> None:
    """Kill the server at an address, as the kernel does when memory runs out."""
    port = int(address.rpartition(":")[2])
    child = next(c for c in psutil.Process().children() if port in listening_ports(c.pid))
    child.kill()
    child.wait(10)


def _wait(url: str) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            urllib.request.urlopen(url, timeout=1).close()
            return
        except (urllib.error.URLError, ConnectionError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
