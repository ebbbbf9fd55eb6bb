"""Wait until the server that a reload started answers, and show that it is a new one."""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TypeAlias

import psutil

from tuner.engines.files.command import shown
from tuner.load.wire import tls_context
from tuner.machine.processes import listeners
from tuner.spec.address import Url
from tuner.spec.deploy import Deploy
from tuner.spec.errors import EngineDied, StartFailed

Seen: TypeAlias = frozenset[psutil.Process] | None
"""The processes that listen where a server answers, None where they are out of sight."""

_LOOPBACK = ("127.0.0.1", "localhost")
_POLL_S = 0.1
_ANSWER_S = 10.0
"""Seconds in which one question for its health has to be answered."""


def seen(health: Url) -> Seen:
    """Return the processes of this machine that listen where a health URL points."""
    address = health.address
    return listeners(address.port) if address.host in _LOOPBACK else None


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
        f"{', '.join(str(p.pid) for p in old)}): {shown(deploy)} has to start it anew",
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
    except (http.client.HTTPException, OSError, ValueError) as silent:
        return str(getattr(silent, "reason", silent)) or type(silent).__name__


def _unshown(deploy: Deploy, before: Seen, now: Seen) -> str | None:
    if before is not None and now:
        return None
    return (
        f"{deploy.health} answers; that a new process does could not be shown, since the one that "
        "listens there is out of sight"
    )
