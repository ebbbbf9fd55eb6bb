"""What a process and its descendants take, and on which ports they listen."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import Any

import psutil

_LOOPBACK = ("127.0.0.1", "0.0.0.0", "::", "::ffff:127.0.0.1")
"""Addresses on which a listening socket is reached at 127.0.0.1."""


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


def listeners(port: int) -> frozenset[psutil.Process] | None:
    """Return the processes that listen on a port of 127.0.0.1, None where they cannot be told.

    Two answers are compared safely: a process is told from a later one that has its id.
    """
    try:
        sockets = psutil.net_connections(kind="tcp")
    except psutil.AccessDenied:
        return None
    found: set[psutil.Process] = set()
    for socket in sockets:
        if not _listens(socket, port):
            continue
        if socket.pid is None:
            return None
        with contextlib.suppress(psutil.NoSuchProcess):
            found.add(psutil.Process(socket.pid))
    return frozenset(found)


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
    if sys.platform == "win32" or user in (None, 0, os.getuid()):
        return None
    return _cpu_seconds_of_user(user)


def _listens(socket: Any, port: int) -> bool:
    return _is_reached(socket) and socket.laddr.port == port


def _user_behind(port: int) -> int | None:
    """Return the user whose socket listens on a port; only Linux tells (proc(5), /proc/net/tcp)."""
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
