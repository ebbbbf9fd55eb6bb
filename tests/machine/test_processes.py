"""What processes take and where they listen; what cannot be told of them is None."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tuner.engines.serving.foreign_server import Foreign
from tuner.machine.processes import (
    cpu_seconds,
    cpu_seconds_behind,
    family,
    listeners,
    listening_ports,
    resident_bytes,
)
from tuner.spec.address import url

CHILD = (
    "import socket, sys; s = socket.create_server(('127.0.0.1', 0))\n"
    "sum(range(3_000_000))\n"
    "print(s.getsockname()[1], flush=True); sys.stdin.read()"
)
PARENT = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"


@contextlib.contextmanager
def listening_child() -> Iterator[tuple[int, int]]:
    """Run a process whose child listens; yield its id and the port, and end both."""
    command = [sys.executable, "-c", PARENT, CHILD]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        yield process.pid, int(process.stdout.readline())
    finally:
        process.communicate()


def test_a_family_s_use_is_that_of_its_descendants_too() -> None:
    """The child listens, works and takes memory; the process itself does nothing."""
    with listening_child() as (pid, port):
        members = [member.pid for member in family(pid)]
        alone = resident_bytes(members[-1])

        assert len(members) == 2
        assert listening_ports(pid) == {port}
        assert resident_bytes(pid) > alone > 0
        assert cpu_seconds(pid) > cpu_seconds(members[-1]) > 0


def test_a_process_that_has_ended_takes_and_owns_nothing() -> None:
    """Its id may be another's soon."""
    with listening_child() as (pid, _):
        pass

    assert (family(pid), listening_ports(pid), resident_bytes(pid)) == ([], set(), 0)


def test_only_the_owner_of_a_port_counts() -> None:
    """A server that is not ours is told from ours by who owns its socket."""
    with socket.create_server(("127.0.0.1", 0)) as ours, listening_child() as (pid, port):
        assert ours.getsockname()[1] not in listening_ports(pid)
        assert port in listening_ports(os.getpid())  # a descendant's


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere only root sees all sockets")
def test_the_server_behind_a_port_is_found() -> None:
    """As far as this machine has one: behind no port and on other machines nobody is seen."""
    with listening_child() as (_, port):
        served = cpu_seconds_behind(port)
        here, elsewhere = (
            Foreign(url(f"http://{host}:{port}")) for host in ("127.0.0.1", "192.0.2.1")
        )

        assert served is not None and served > 0
        assert here.seen_cpu_s() is not None
        assert (elsewhere.seen_cpu_s(), elsewhere.cpu_s(), here.memory_bytes()) == (None,) * 3
    assert cpu_seconds_behind(port) is None


def test_who_listens_on_a_port_is_told_apart_from_who_does_later() -> None:
    """One process after the other on the same port are two, and nobody is none."""
    with listening_child() as (parent, port):
        first = listeners(port)
        again = listeners(port)
        assert first is not None
        assert {p.pid for p in first} <= {p.pid for p in family(parent)}
    assert len(first) == 1
    assert first == again
    with socket.create_server(("127.0.0.1", 0)) as server:
        mine = listeners(server.getsockname()[1])
        assert mine is not None
        assert {p.pid for p in mine} == {os.getpid()}
        assert not mine & first
    assert listeners(server_port_of_nobody()) == frozenset()


def server_port_of_nobody() -> int:
    """Return a port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
