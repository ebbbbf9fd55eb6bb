"""Have a new version serve: run the command for it, and wait until what it started answers."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TypeAlias

import psutil

from tuner.load.wire import tls_context
from tuner.machine.processes import listeners
from tuner.spec.address import Url
from tuner.spec.deploy import Deploy
from tuner.spec.errors import EngineDied, StartFailed

Seen: TypeAlias = frozenset[psutil.Process] | None
"""The processes that listen where a server answers, None where they are out of sight."""

_LOOPBACK = ("127.0.0.1", "localhost")
_ENDING = (signal.SIGINT, signal.SIGTERM, *([] if sys.platform == "win32" else [signal.SIGHUP]))
_POLL_S = 0.1
_ANSWER_S = 10.0
"""Seconds in which one question for its health has to be answered."""

_GRACE_S = 5.0


def seen(health: Url) -> Seen:
    """Return the processes of this machine that listen where a health URL points."""
    address = health.address
    return listeners(address.port) if address.host in _LOOPBACK else None


def run(deploy: Deploy, log: Path) -> None:
    """Run the command to its end, its output appended to `log`; raise StartFailed."""
    began = time.monotonic()
    try:
        with _logged(deploy, log) as out, _started(deploy, out) as process:
            code = process.wait(deploy.within_s)
    except subprocess.TimeoutExpired:
        raise StartFailed(
            "timeout", f"{_shown(deploy)} did not end within {deploy.within_s:g} s", log
        ) from None
    except OSError as error:
        raise StartFailed(
            "crashed", f"{_shown(deploy)} cannot be run ({error.strerror or error})"
        ) from None
    if code:
        took = time.monotonic() - began
        raise StartFailed("crashed", f"{_shown(deploy)} ended with {code} after {took:.1f} s", log)


def wait(deploy: Deploy, before: Seen, deadline: float, log: Path) -> str | None:
    """Wait until the server answers that was started since `before` was seen.

    `deadline` is an instant of the monotonic clock. Returns why it could not be shown that the
    process is a new one, None where it is. Raises StartFailed.
    """
    while True:
        problem = unwell(deploy.health)
        now = seen(deploy.health)
        old = before & now if before is not None and now is not None else frozenset()
        if problem is None and not old:
            return _unshown(deploy, before, now)
        if time.monotonic() > deadline:
            break
        time.sleep(_POLL_S)
    if problem is not None:
        told = f"{deploy.health} was not well within {deploy.within_s:g} s ({problem})"
        raise StartFailed("timeout", told, log)
    raise StartFailed(
        "wrong_server",
        f"{deploy.health} is still answered by the process that ran before (pid "
        f"{', '.join(str(p.pid) for p in old)}): {_shown(deploy)} has to start it anew",
        log,
    )


def check(deploy: Deploy) -> None:
    """Raise EngineDied where the server is not well now."""
    if problem := unwell(deploy.health):
        raise EngineDied(f"{deploy.health} is not well ({problem})")


def unwell(health: Url) -> str | None:
    """Return why a GET is not answered with 200, None where it is."""
    request = urllib.request.Request(str(health), headers={"User-Agent": "modelfile-tuner"})
    tls = urllib.request.HTTPSHandler(context=tls_context(health.address))
    asking = urllib.request.build_opener(urllib.request.ProxyHandler({}), tls)
    try:
        with asking.open(request, timeout=_ANSWER_S) as answer:
            return None if answer.status == 200 else f"HTTP {answer.status}"
    except urllib.error.HTTPError as refused:
        with refused:
            return f"HTTP {refused.code}"
    except (urllib.error.URLError, OSError, ValueError) as silent:
        return str(getattr(silent, "reason", silent)) or type(silent).__name__


def _unshown(deploy: Deploy, before: Seen, now: Seen) -> str | None:
    if before is not None and now:
        return None
    return (
        f"{deploy.health} answers; that a new process does could not be shown, since the one that "
        "listens there is out of sight"
    )


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
            os.write(handle, f"{datetime.now():%Y-%m-%d %H:%M:%S} {_shown(deploy)}\n".encode())
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
    try:
        yield process
    finally:
        if process.poll() is None:
            _end(process)


@contextlib.contextmanager
def _unignored() -> Iterator[None]:
    """Let what is started meanwhile hear the signals that end a program, though we may be deaf.

    A process inherits that a signal is ignored, but no handler: a server that is started while
    `tune` is being ended would never end on SIGTERM.
    """
    ignored = [n for n in _ENDING if signal.getsignal(n) == signal.SIG_IGN]
    for number in ignored:
        signal.signal(number, lambda number, frame: None)
    try:
        yield
    finally:
        for number in ignored:
            signal.signal(number, signal.SIG_IGN)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a command, and what it started and did not hand over to others."""
    if sys.platform == "win32":
        process.kill()
        process.wait()
        return
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE_S)
            return


def _shown(deploy: Deploy) -> str:
    """Return the command's name: its words may hold a secret."""
    return f"the reload command {deploy.reload[0]}"
