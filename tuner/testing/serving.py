"""Test servers as processes: started on a free port, always ended."""

from __future__ import annotations

import contextlib
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path


@contextlib.contextmanager
def running(
    command: Sequence[str], *, log: Path | None = None, ready: str = "listening on"
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Run a server; yield its process and port; end that process in any case.

    `ready` is the text of the log line to wait for, which ends in the address. The log goes
    to `log`, or to a temporary file.
    """
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        path = log or Path(folder, "server.log")
        out = stack.enter_context(path.open("wb"))
        process = subprocess.Popen(command, stdout=out, stderr=out, start_new_session=True)
        stack.callback(_end, process)
        yield process, _port(process, path, ready)


def _port(process: subprocess.Popen[bytes], path: Path, ready: str) -> int:
    """Wait for the log line that names the port."""
    deadline = time.monotonic() + 10.0
    while time.monotonic() < deadline:
        told = path.read_text(errors="replace")
        if found := re.search(rf"{re.escape(ready)} \S+:(\d+)\n", told):
            return int(found[1])
        if process.poll() is not None:
            break
        time.sleep(0.01)
    raise RuntimeError(f"no line '{ready}' from process {process.pid}:\n{told}")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(1.0)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
