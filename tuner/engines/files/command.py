"""Run the reload command: without a shell, with a deadline, its output kept, and to its end.

While it runs, `.reload.pid` in the folder says which process it is. A `tune` that is killed leaves
the command running, and it would start a server from what is not to serve any more: the next one
ends it first.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import psutil

from tuner.machine.interrupts import ENDING
from tuner.spec.deploy import Deploy
from tuner.spec.errors import StartFailed

RUNNING = ".reload.pid"
_GRACE_S = 5.0
_SAME_START_S = 5.0
"""By how much the told start of one process may differ, as the clock is set: no id comes again so
soon."""


def run(deploy: Deploy, log: Path) -> None:
    """Run the command to its end, its output appended to `log`; raise StartFailed."""
    began = time.monotonic()
    try:
        _end_left(deploy.folder / RUNNING)
        with _logged(deploy, log) as out, _started(deploy, out) as process:
            code = process.wait(deploy.within_s)
    except subprocess.TimeoutExpired:
        raise StartFailed(
            "timeout", f"{shown(deploy)} did not end within {deploy.within_s:g} s", log
        ) from None
    except OSError as error:
        raise StartFailed(
            "crashed", f"{shown(deploy)} cannot be run ({error.strerror or error})"
        ) from None
    if code:
        took = time.monotonic() - began
        raise StartFailed("crashed", f"{shown(deploy)} ended with {code} after {took:.1f} s", log)


def shown(deploy: Deploy) -> str:
    """Return the command's name: its words may hold a secret."""
    return f"the reload command {deploy.reload[0]}"


@contextlib.contextmanager
def _logged(deploy: Deploy, log: Path) -> Iterator[int]:
    """Open a log for appending, with a line that says what follows.

    Where it cannot be written the output is lost: a full disk must not keep what served before from
    serving again.
    """
    with contextlib.ExitStack() as opened:
        try:
            handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            opened.callback(os.close, handle)
            os.write(handle, f"{datetime.now():%Y-%m-%d %H:%M:%S} {shown(deploy)}\n".encode())
        except OSError:
            handle = os.open(os.devnull, os.O_WRONLY)
            opened.callback(os.close, handle)
        yield handle


@contextlib.contextmanager
def _started(deploy: Deploy, out: int) -> Iterator[subprocess.Popen[bytes]]:
    """Start the command in the folder, out of reach of Ctrl-C; end it if we stop waiting."""
    with _unignored():
        process = subprocess.Popen(
            deploy.reload, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=deploy.folder,
            start_new_session=True,
        )  # fmt: skip
    mark = deploy.folder / RUNNING
    try:
        with contextlib.suppress(OSError, psutil.NoSuchProcess):  # as for the log
            mark.write_text(f"{process.pid} {psutil.Process(process.pid).create_time()}")
        yield process
    finally:
        if process.poll() is None:
            _end(psutil.Process(process.pid))
            process.wait()
        with contextlib.suppress(OSError):
            mark.unlink()


@contextlib.contextmanager
def _unignored() -> Iterator[None]:
    """Let what is started meanwhile hear the signals that end a program, though we may be deaf.

    A process inherits that a signal is ignored, but no handler: a server that is started while
    `tune` is being ended would never end on SIGTERM.
    """
    ignored = [n for n in ENDING if signal.getsignal(n) == signal.SIG_IGN]
    for number in ignored:
        signal.signal(number, lambda number, frame: None)
    try:
        yield
    finally:
        for number in ignored:
            signal.signal(number, signal.SIG_IGN)


def _end_left(mark: Path) -> None:
    """End a command that a killed `tune` left running."""
    try:
        pid, started = mark.read_text().split()
        process = psutil.Process(int(pid))
        same = abs(process.create_time() - float(started)) < _SAME_START_S
    except (OSError, ValueError, psutil.NoSuchProcess):
        return
    if same:
        _end(process)


def _end(process: psutil.Process) -> None:
    """End a command, and what it started and did not hand over to a session of its own."""
    if sys.platform == "win32":
        process.kill()
        return
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(psutil.TimeoutExpired):
            process.wait(_GRACE_S)
