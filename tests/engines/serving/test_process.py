"""Supervised processes: nothing is left behind, whoever dies and how."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes import ended, still_running
from tuner.engines.serving import process
from tuner.engines.serving.launch import start_failure
from tuner.machine import processes
from tuner.spec.errors import StartFailed

STUBBORN = (
    "import signal, subprocess, sys, time\n"
    "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'],"
    " start_new_session=True)\n"
    "print('child', child.pid, flush=True)\n"
    "time.sleep(600)\n"
)
OWNER = (
    "import asyncio, pathlib, signal, sys\n"
    "from tuner.engines.serving import process\n"
    # a shell's background job is born with SIGINT ignored
    "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    "async def main():\n"
    "    p = await process.start([sys.executable, '-c', sys.argv[2]], pathlib.Path(sys.argv[1]))\n"
    "    print(p.pid, flush=True)\n"
    "    await asyncio.sleep(600)\n"
    "asyncio.run(main())\n"
)


def _grandchild(log: Path) -> int:
    deadline = time.monotonic() + 15
    while not (log.exists() and log.read_text().endswith("\n")):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return int(log.read_text().split()[1])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_orphan_when_the_owner_is_killed(tmp_path: Path, number: signal.Signals) -> None:
    """An engine that ignores SIGTERM and hides a grandchild is gone soon after its owner."""
    log = tmp_path / "engine.log"
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(log), STUBBORN],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    with owner:
        assert owner.stdout is not None
        engine, grandchild = int(owner.stdout.readline()), _grandchild(log)
        owner.send_signal(number)
        owner.wait(20)

        assert still_running(engine, grandchild) == []


def test_the_engine_dies_with_its_supervisor(tmp_path: Path) -> None:
    """Killing the supervisor itself leaves no engine either (Linux: PR_SET_PDEATHSIG)."""
    if sys.platform != "linux":
        pytest.skip("the kernel's parent-death signal exists on Linux only")

    async def work() -> int:
        running = await process.start([sys.executable, "-c", "import time; time.sleep(600)"],
                                      tmp_path / "log")  # fmt: skip
        running.supervisor.kill()
        await running.stop()
        return running.pid

    pid = asyncio.run(work())

    assert still_running(pid) == []


def test_stop_ends_a_stubborn_family(tmp_path: Path) -> None:
    """stop() escalates to SIGKILL and reaches a grandchild in a session of its own."""
    log = tmp_path / "engine.log"

    async def work() -> int:
        running = await process.start([sys.executable, "-c", STUBBORN], log)
        await asyncio.to_thread(_grandchild, log)
        await running.stop()
        return running.pid

    pid = asyncio.run(work())

    assert ended(pid)
    assert ended(_grandchild(log))


def test_an_exit_is_seen_with_its_code(tmp_path: Path) -> None:
    """A process that ends by itself is no longer alive and tells its exit code."""

    async def work() -> int | None:
        running = await process.start([sys.executable, "-c", "raise SystemExit(7)"], tmp_path / "l")
        while running.alive:
            await asyncio.sleep(0.01)
        await running.stop()
        return running.exit_code

    assert asyncio.run(work()) == 7


def test_a_program_that_is_not_there_is_a_typed_failure(tmp_path: Path) -> None:
    """What cannot be executed is a StartFailed that names it."""

    async def work() -> None:
        with pytest.raises(StartFailed, match="no-such-program"):
            await process.start(["no-such-program"], tmp_path / "l")

    asyncio.run(work())


def test_listening_ports_are_those_of_the_process_alone() -> None:
    """A port that this process listens on is not counted for another one."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        mine = server.getsockname()[1]
        other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        try:
            assert mine in processes.listening_ports(os.getpid())
            assert mine not in processes.listening_ports(other.pid)
        finally:
            other.kill()
            other.wait()


LISTENER = (
    "import socket, sys\n"
    "with socket.create_server(('127.0.0.1', 0)) as server:\n"
    "    sum(range(10**6))\n"
    "    print(server.getsockname()[1], flush=True)\n"
    "    sys.stdin.read()\n"
)


@contextlib.contextmanager
def _listener(user: int | None = None) -> Iterator[tuple[int, int]]:
    """Run a server as somebody; yield its process and port."""
    with subprocess.Popen(
        ["/usr/bin/env", "python3", "-c", LISTENER], user=user, cwd="/",
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as server:  # fmt: skip
        assert server.stdout is not None
        yield server.pid, int(server.stdout.readline())


def test_the_cpu_time_of_a_server_that_we_did_not_start_is_seen() -> None:
    """Whoever listens on the port is the server; where nobody does, nothing is known."""
    with _listener() as (pid, port):
        assert processes.cpu_seconds_behind(port) == processes.cpu_seconds(pid) > 0
    assert processes.cpu_seconds_behind(port) is None


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be two others")
def test_a_server_of_a_user_of_its_own_is_told_by_that_user() -> None:
    """As a service runs: its process hides which sockets it has, not what its user uses."""
    server, we = 65533, 65534
    with _listener(server) as (pid, port):
        os.seteuid(we)
        try:
            assert (processes.cpu_seconds_behind(port) or 0) >= processes.cpu_seconds(pid) > 0
        finally:
            os.seteuid(0)


@pytest.mark.parametrize(
    ("code", "log", "reason"),
    [
        (
            1,
            "ggml_backend_cpu_buffer_type_alloc_buffer: failed to allocate buffer",
            "out_of_memory",
        ),
        (1, "failed to initialize the context: std::bad_alloc", "out_of_memory"),
        (-6, "ggml_aligned_malloc: insufficient memory (attempted 41.96 MB)", "out_of_memory"),
        (1, "MemoryError", "out_of_memory"),
        (-9, "", "out_of_memory"),
        (1, "quantized V cache requires flash_attn to be enabled", "bad_flag"),
        (139, "something else", "crashed"),
    ],
)
def test_failed_starts_are_typed_by_status_and_log(code: int, log: str, reason: str) -> None:
    """The reason follows from the exit status and what the engine last said."""
    assert start_failure(code, log) == reason
