"""Start, watch and stop one engine process through its supervisor."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import psutil

from tuner.spec.errors import StartFailed

GRACE_S = 3.0
"""Seconds between SIGTERM and SIGKILL."""

_LOOPBACK = ("127.0.0.1", "0.0.0.0", "::", "::ffff:127.0.0.1")
"""Addresses on which a listening socket is reached at 127.0.0.1."""


@dataclass(slots=True)
class EngineProcess:
    """A running engine: its process id, its log, and whether it still lives."""

    pid: int
    log: Path
    supervisor: asyncio.subprocess.Process
    exit_code: int | None = None
    _watch: asyncio.Task[None] | None = field(default=None, repr=False)

    @property
    def alive(self) -> bool:
        """Tell whether the engine has not ended; one that waits to be reaped has."""
        return self.exit_code is None and _runs(self.pid)

    async def stop(self) -> None:
        """End the whole group and wait until it is gone."""
        assert self.supervisor.stdin is not None
        self.supervisor.stdin.close()
        if self._watch is not None:
            await self._watch
        await self.supervisor.wait()

    async def _read_reports(self) -> None:
        assert self.supervisor.stdout is not None
        async for line in self.supervisor.stdout:
            self.exit_code = json.loads(line).get("exit", self.exit_code)
        if self.exit_code is None:  # the supervisor itself was killed, and the engine with it
            self.exit_code = -9


def _runs(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


async def start(
    command: Sequence[str], log: Path, env: Mapping[str, str] = MappingProxyType({})
) -> EngineProcess:
    """Start a command under a supervisor; raise StartFailed when it cannot be executed.

    `env` is set on top of this process's own environment.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    supervisor = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tuner.engines.supervisor", str(log), str(GRACE_S), *command),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
        env={**os.environ, **env},
    )
    assert supervisor.stdout is not None
    report = json.loads(await supervisor.stdout.readline() or b"{}")
    if "pid" not in report:
        await supervisor.wait()
        raise StartFailed("bad_flag", f"cannot execute {command[0]}: {report.get('error')}")
    process = EngineProcess(report["pid"], log, supervisor)
    process._watch = asyncio.get_running_loop().create_task(process._read_reports())
    return process


def family(pid: int) -> list[psutil.Process]:
    """Return a process and its descendants, as far as they still live."""
    try:
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def listening_ports(pid: int) -> set[int]:
    """Return the TCP ports of 127.0.0.1 on which a process or a descendant of it listens.

    This is the proof that the server which answers on a port is the one we started: a
    foreign server on the same port owns another process's socket.
    """
    ports: set[int] = set()
    for member in family(pid):
        try:
            sockets = member.net_connections(kind="tcp")
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        ports |= {s.laddr.port for s in sockets if _is_reached(s)}
    return ports


def _is_reached(socket: Any) -> bool:
    """Tell whether a socket is the one that answers on 127.0.0.1."""
    return socket.status == psutil.CONN_LISTEN and socket.laddr.ip in _LOOPBACK


def resident_bytes(pid: int) -> int:
    """Return the resident memory of a process and its descendants in bytes."""
    total = 0
    for member in family(pid):
        try:
            total += member.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process, of its descendants and of those that they outlived."""
    total = 0.0
    for member in family(pid):
        try:
            t = member.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += t.user + t.system + t.children_user + t.children_system
    return total
