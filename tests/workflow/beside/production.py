"""A small production: a real server, and the commands that stop and start it (`control`)."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.processes import still_running
from tests.workflow.beside import control
from tests.workflow.beside.control import serve
from tuner.spec.beside import Production
from tuner.workflow.beside import commands


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Production]:
    """Run a production in a folder; yield how it is stopped and started, and end it."""
    folder.mkdir(parents=True, exist_ok=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (folder / "port").write_text(str(port))
    server = serve(folder)
    (folder / "pid").write_text(str(server.pid))
    health = f"http://127.0.0.1:{port}/health"
    try:
        assert commands.until_serving(health, 20.0)
        yield Production(_command("stop", folder), _command("start", folder), health, 10.0)
    finally:
        server.kill()
        server.wait()
        for pid in started(folder):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        assert still_running(*started(folder)) == []


def started(folder: Path) -> list[int]:
    """Return every server that was started: two starts at once write down one in `pid`."""
    file = folder / "pids"
    return list(map(int, file.read_text().split())) if file.exists() else []


def _command(what: str, folder: Path) -> tuple[str, ...]:
    return (sys.executable, control.__file__, what, str(folder))


def calls(folder: Path) -> list[str]:
    """Return what was asked of production, in order."""
    file = folder / "calls"
    return file.read_text().split() if file.exists() else []
