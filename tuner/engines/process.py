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

from tuner.spec.errors import EngineDied, StartFailed

GRACE_S = 3.0
"""Seconds between SIGTERM and SIGKILL."""

KILL_S = 10.0
"""Seconds after SIGKILL in which even an engine with much memory is gone; then it is given up."""

_LOOPBACK = ("127.0.0.1", "0.0.0.0", "::", "::ffff:127.0.0.1")
"""Addresses on which a listening socket is reached at 127.0.0.1."""


@dataclass(slots=True)
class EngineProcess:
    """A running engine: its process id, its log, and whether it still lives.

    `left` are the processes of it that did not end when they were killed.
    """

    pid: int
    log: Path
    supervisor: asyncio.subprocess.Process
    exit_code: int | None = None
    left: tuple[int, ...] = ()
    _watch: asyncio.Task[None] | None = field(default=None, repr=False)

    @property
    def alive(self) -> bool:
        """Tell whether the engine has not ended; one that waits to be reaped has."""
        return self.exit_code is None and _runs(self.pid)

    async def stop(self) -> None:
        """End the whole group and wait until it is gone.

        Raises EngineDied, after a bounded time, where something of it does not end.
        """
        assert self.supervisor.stdin is not None
        self.supervisor.stdin.close()
        if self._watch is not None:
            await self._watch
        await self.supervisor.wait()
        if self.left:
            pids = ", ".join(map(str, self.left))
            raise EngineDied(
                f"process {pids} of the engine does not end, {KILL_S:g} s after SIGKILL: it waits "
                "for a device or its driver, and holds what it holds until that answers; look at "
                f"`ps -o pid,stat,wchan {self.left[0]}` and the kernel's log (dmesg)"
            )

    async def _read_reports(self) -> None:
        assert self.supervisor.stdout is not None
        async for line in self.supervisor.stdout:
            report = json.loads(line)
            self.exit_code = report.get("exit", self.exit_code)
            self.left = tuple(report.get("left", ()))
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
        *(sys.executable, "-m", "tuner.engines.supervisor"),
        *(str(log), str(GRACE_S), str(KILL_S), *command),
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


def cpu_seconds_behind(port: int) -> float | None:
    """Return the CPU time of the server on a port of 127.0.0.1, None where it cannot be told.

    Of a server that runs as a user of its own only that user shows: what that user runs counts.
    """
    try:
        sockets = psutil.net_connections(kind="tcp")
    except psutil.AccessDenied:
        return None
    found = [s.pid for s in sockets if _listens(s, port)]
    if not found:
        return None
    if found[0] is not None:
        return cpu_seconds(found[0])
    user = _user_behind(port)
    return None if user in (None, 0, os.getuid()) else _cpu_seconds_of_user(user)


def _listens(socket: Any, port: int) -> bool:
    return _is_reached(socket) and socket.laddr.port == port


def _user_behind(port: int) -> int | None:
    """Return the user whose socket listens on a port (proc(5), /proc/net/tcp)."""
    listening = "0A"
    for table in map(Path, ("/proc/net/tcp", "/proc/net/tcp6")):
        for line in table.read_text().splitlines()[1:] if table.exists() else ():
            _, local, _, state, _, _, _, user, *_ = line.split()
            if state == listening and int(local.rpartition(":")[2], 16) == port:
                return int(user)
    return None


def _cpu_seconds_of_user(user: int) -> float:
    total = 0.0
    for member in psutil.process_iter(["uids", "cpu_times"]):
        uids, t = member.info["uids"], member.info["cpu_times"]
        if uids is not None and uids.real == user and t is not None:
            total += t.user + t.system + t.children_user + t.children_system
    return total
