"""Run a command of the study's, as a list of words, with a deadline; ask production's health."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

from tuner.spec.errors import InputError, tail

POLL_S = 0.1
HEALTH_S = 5.0
"""Seconds in which production's health has to be told."""

_STAYING: list[subprocess.Popen[bytes]] = []
"""Commands that are what they were to start: nobody waits for their end."""


def ensure_runnable(*commands: Sequence[str]) -> None:
    """Raise InputError for a command that is not there: one that is missed later is missed late."""
    for command in commands:
        if shutil.which(command[0]) is None:
            raise InputError(
                f"{command[0]!r} is no program that can be run; mend beside.pause and "
                "beside.resume in the study"
            )


def serves(health: str) -> bool:
    """Tell whether a URL answers with 2xx now."""
    import httpx  # slow to import, and few runs ask

    try:
        with httpx.Client(timeout=HEALTH_S, trust_env=False, verify=_trusted()) as client:
            return client.get(health).is_success
    except (httpx.HTTPError, httpx.InvalidURL):
        return False


@cache
def _trusted() -> ssl.SSLContext:
    """Return what certificates are checked by, which takes 20 ms to read, once."""
    import httpx

    return httpx.create_ssl_context(trust_env=False)


def run(
    command: Sequence[str],
    deadline_s: float,
    output: Path,
    may_stay: Callable[[], bool] = lambda: False,
) -> str | None:
    """Run a command to its end; return why it failed, None where it ended well.

    Its output goes to a file: what it starts may hold that open for good. One that does not end
    in time is ended with its group, unless it `may_stay`: it may be what it was to start.
    """
    try:
        process = _start(command, output)
    except OSError as error:
        return f"cannot be run: {error.strerror}"
    stays = False
    try:
        code = process.wait(deadline_s)
    except subprocess.TimeoutExpired:
        stays = may_stay()
        return None if stays else _told(f"did not end within {deadline_s:g} s", output)
    finally:
        if stays:
            _STAYING.append(process)
        else:
            _end(process)
    return None if code == 0 else _told(f"ended with exit code {code}", output)


def until_serving(health: str, deadline_s: float) -> bool:
    """Wait until production serves; tell whether it does in time."""
    deadline = time.monotonic() + deadline_s
    while not serves(health):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True


def shown(command: Sequence[str]) -> str:
    """Return a command as a person types it."""
    return shlex.join(command)


def _start(command: Sequence[str], output: Path) -> subprocess.Popen[bytes]:
    with output.open("wb") as file:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for us
        )


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a command that has not ended; what it started lives on where it has ended itself."""
    if process.poll() is not None:
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if sys.platform != "win32":
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()


def _told(what: str, output: Path) -> str:
    said = " / ".join(tail(output, 3).split("\n")).strip()
    return f"{what} ({said or 'it printed nothing'}; all of it: {output})"
