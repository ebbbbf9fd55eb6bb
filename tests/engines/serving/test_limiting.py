"""Limits of an engine's process, read back from real processes."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.kernel_files import write
from tests.processes import still_running
from tuner.engines.serving import limiting, process
from tuner.engines.serving.launch import Launch, Served, launch
from tuner.engines.serving.limiting import confined, in_force
from tuner.machine import cgroup
from tuner.machine.counters import usable_cpus
from tuner.spec.beside import InForce, Limits
from tuner.spec.errors import InputError, StartFailed
from tuner.testing.fake_engine import FakeEngine

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux confines so")

SLEEP = (sys.executable, "-c", "import time; time.sleep(600)")
LAST = max(usable_cpus())
EATER = (
    "import http.server, sys, threading\n"
    "class Served(http.server.BaseHTTPRequestHandler):\n"
    "    def do_GET(self):\n"
    "        self.send_response(200); self.end_headers()\n"
    "        if self.path == '/eat':\n"
    "            threading.Thread(target=eat).start()\n"
    "    def log_message(self, *words): pass\n"
    "def eat():\n"
    "    kept = []\n"
    "    try:\n"
    "        while True: kept.append(bytearray(2**22))\n"
    "    except MemoryError:\n"
    "        sys.stderr.write('MemoryError\\n'); sys.stderr.flush(); server._os._exit(1)\n"
    "import os\n"
    "server = http.server.HTTPServer(('127.0.0.1', 0), Served); server._os = os\n"
    "server.serve_forever()\n"
)
"""A server that takes memory without end when it is asked to."""


def can_make_cgroups() -> bool:
    """Tell whether this test may make a cgroup with a limit of memory."""
    folder = cgroup.made({"memory.max": str(2**30)})
    if folder is not None:
        cgroup.remove(folder)
    return folder is not None


needs_cgroup = pytest.mark.skipif(
    sys.platform != "linux" or not can_make_cgroups(),
    reason="nobody delegated a cgroup (version 2, with its memory) to these tests",
)


def can_make_scopes() -> bool:
    """Tell whether systemd runs here and makes scopes with a limit of memory."""
    return confined(SLEEP, Limits(memory_bytes=2**30))[2] == "systemd"


needs_systemd = pytest.mark.skipif(
    sys.platform != "linux" or not can_make_scopes(),
    reason="no systemd runs here that makes scopes with a limit of memory",
)


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give a PATH without systemd-run, and no cgroup: what a process may do to itself is left."""
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(limiting, "_settings", lambda nice, cpus, size: None)


async def started(limits: Limits, log: Path) -> tuple[InForce | None, int]:
    """Start a process within limits; return what is in force, and its id when it has ended."""
    command, confinement, means = confined(SLEEP, limits)
    running = await process.start(command, log, confinement=confinement)
    try:
        await asyncio.sleep(0.5 if means == "systemd" else 0)  # until the scope has begun
        return in_force(running.pid, limits, means), running.pid
    finally:
        await running.stop()


def test_what_is_in_force_is_read_back_from_the_process(alone: None, tmp_path: Path) -> None:
    """Niceness, CPUs and the size of its data, as far as a process may set them for itself."""
    limits = Limits(nice=7, cpus=(LAST,), memory_bytes=2**30)
    found, pid = asyncio.run(started(limits, tmp_path / "log"))

    assert found == InForce(7, (LAST,), 2**30, "process")
    assert "nice 7" in str(found)
    assert "1024 MiB of data for each process" in str(found)
    assert still_running(pid) == []


def test_what_was_not_asked_for_is_left_alone(alone: None, tmp_path: Path) -> None:
    """One limit sets nothing else; none is none."""
    found, _ = asyncio.run(started(Limits(cpus=1), tmp_path / "log"))

    assert found == InForce(None, (LAST,), None, "process")
    assert in_force(os.getpid(), None, "process") is None


def test_a_limit_that_is_not_in_force_is_said(tmp_path: Path) -> None:
    """What is read back decides, not what was asked for."""
    found = in_force(os.getpid(), Limits(nice=19, memory_bytes=2**30), "process")

    assert found is not None
    assert found.memory_bytes is None
    assert "not in force: nice 19" in str(found)
    assert "not in force: the limit of memory" in str(found)


def test_cpus_that_are_not_there_are_refused_before_anything_starts(tmp_path: Path) -> None:
    """With those that may be used."""
    with pytest.raises(InputError, match="expected CPUs of"):
        FakeEngine(tmp_path, (), Limits(cpus=(4095,)))


def test_an_engine_has_a_thread_for_each_of_its_cpus(tmp_path: Path) -> None:
    """Not for each of the machine's: they would wait for each other."""
    assert FakeEngine(tmp_path, (), Limits(cpus=1)).knobs["num_thread"].default == 1
    assert FakeEngine(tmp_path).knobs["num_thread"].default == len(usable_cpus())


def test_children_of_the_engine_are_within_its_limits(alone: None, tmp_path: Path) -> None:
    """They inherit what the first process was given."""
    code = (
        "import os, subprocess, sys\n"
        "subprocess.run([sys.executable, '-c', 'import os; print(os.getpriority(0, 0),"
        " sorted(os.sched_getaffinity(0)), flush=True)'])\n"
    )
    command, confinement, _ = confined((sys.executable, "-c", code), Limits(nice=5, cpus=1))

    async def work() -> str:
        running = await process.start(command, tmp_path / "log", confinement=confinement)
        while running.alive:
            await asyncio.sleep(0.01)
        await running.stop()
        return (tmp_path / "log").read_text()

    assert asyncio.run(work()) == f"5 [{LAST}]\n"


class Eater(Served):
    """A server that eats memory when it is told to."""

    async def start(self, log: Path) -> None:
        """Start it."""
        command = (sys.executable, "-c", EATER)
        await self._launch(Launch("the eater", command, log, 20.0, ready="/"))

    async def eat(self) -> str | None:
        """Let it eat until it is gone; return what is said of that."""
        _, writer = await asyncio.open_connection("127.0.0.1", self._port)
        writer.write(b"GET /eat HTTP/1.0\r\n\r\n")
        await writer.drain()
        writer.close()
        deadline = time.monotonic() + 30
        while self.alive() and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        return self.out_of_memory()


async def eaten(limits: Limits, log: Path) -> tuple[InForce | None, str | None]:
    """Return what was in force for an eater, and what is said of its end."""
    eater = Eater(limits)
    await eater.start(log)
    try:
        return eater.limits, await eater.eat()
    finally:
        await eater.aclose()


def test_an_engine_that_may_have_no_more_data_is_out_of_memory(alone: None, tmp_path: Path) -> None:
    """The kernel refuses it more; that is no crash."""
    found, said = asyncio.run(eaten(Limits(memory_bytes=2**28), tmp_path / "log"))

    assert found is not None and found.by == "process"
    assert said == (
        "the engine, which may take 256 MiB, ran out of memory while it was measured "
        "(out_of_memory)"
    )


@needs_cgroup
def test_an_engine_that_is_killed_within_its_cgroup_is_out_of_memory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """All its processes count together, and its cgroup is gone with it."""
    monkeypatch.setattr(limiting, "_scope", lambda nice, cpus, size: ())
    found, said = asyncio.run(eaten(Limits(memory_bytes=2**28), tmp_path / "log"))

    assert found == InForce(None, None, 2**28, "cgroup")
    assert said is not None and "out_of_memory" in said
    assert cgroups() == []


@needs_systemd
def test_an_engine_that_is_killed_within_a_scope_is_out_of_memory(tmp_path: Path) -> None:
    """The same, where systemd makes the cgroup; it collects the scope when that is empty."""
    found, said = asyncio.run(eaten(Limits(nice=3, memory_bytes=2**28), tmp_path / "log"))

    assert found == InForce(3, None, 2**28, "systemd")
    assert said is not None and "out_of_memory" in said


def cgroups() -> list[Path]:
    """Return the cgroups of ours that are there."""
    own = cgroup.own()
    return [] if own is None else [
        *own.glob(f"{cgroup.PREFIX}*"), *own.parent.glob(f"{cgroup.PREFIX}*")
    ]  # fmt: skip


OWNER = (
    "import asyncio, pathlib, sys\n"
    "from tuner.engines.serving import limiting, process\n"
    "from tuner.spec.beside import Limits\n"
    "limiting._scope = lambda nice, cpus, size: ()\n"
    "async def main():\n"
    "    sleep = (sys.executable, '-c', 'import time; time.sleep(600)')\n"
    "    limits = Limits(nice=5, memory_bytes=2**30)\n"
    "    command, confinement, _ = limiting.confined(sleep, limits)\n"
    "    log = pathlib.Path(sys.argv[1])\n"
    "    running = await process.start(command, log, confinement=confinement)\n"
    "    print(running.pid, running.supervisor.pid, flush=True)\n"
    "    await asyncio.sleep(600)\n"
    "asyncio.run(main())\n"
)


def test_a_kill_leaves_no_process_and_no_cgroup(tmp_path: Path) -> None:
    """The supervisor removes what it made, whatever happened to `tune`."""
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path / "log")], stdout=subprocess.PIPE
    )
    with owner:
        assert owner.stdout is not None
        pids = [int(pid) for pid in owner.stdout.readline().split()]
        owner.kill()
        owner.wait(20)

        assert still_running(*pids) == []
    assert cgroups() == []


SCOPE = """#!{python}
import os, sys
with open({asked!r}, "a") as asked:
    asked.write(" ".join(sys.argv[1:]) + "\\n")
words = sys.argv[sys.argv.index("--") + 1:]
if words[0] == "sh" and "memory.max" in words[-1]:
    print({shown!r})
    sys.exit(0)
os.execvp(words[0], words)
"""


def stand_in(folder: Path, shown: str) -> Path:
    """Put a stand-in for systemd-run into a folder; return the file of what it is asked."""
    asked, program = folder / "asked", folder / "systemd-run"
    program.write_text(SCOPE.format(python=sys.executable, asked=str(asked), shown=shown))
    program.chmod(0o755)
    return asked


def test_a_scope_of_systemd_is_asked_for_where_it_shows_that_it_works(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It becomes the engine itself, so that the supervisor has the same child as ever."""
    asked = stand_in(tmp_path, str(2**30))
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    limits = Limits(nice=10, cpus=(LAST,), memory_bytes=2**30 + 5)
    command, confinement, means = confined(SLEEP, limits)

    assert means == "systemd"
    assert confinement.data_bytes is None and confinement.cgroup is None
    (words,) = asked.read_text().splitlines()
    assert "--scope" in words and "--collect" in words
    for one in ("CPUWeight=11", f"AllowedCPUs={LAST}", f"MemoryMax={2**30}", "MemorySwapMax=0"):
        assert f"-p {one}" in words
    assert command[-len(SLEEP) :] == SLEEP
    found, pid = asyncio.run(started(limits, tmp_path / "log"))
    assert found is not None
    assert (found.nice, found.cpus) == (10, (LAST,))  # set by the process itself
    assert still_running(pid) == []


def test_a_scope_that_does_not_hold_the_limit_is_not_taken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A user's manager may not have been given the memory; the next best is taken then."""
    stand_in(tmp_path, "max")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    command, confinement, means = confined(SLEEP, Limits(memory_bytes=2**30))

    assert (command, means) == (SLEEP, "cgroup")
    assert confinement.data_bytes == 2**30
    assert confinement.cgroup == {"memory.max": str(2**30), "memory.swap.max": "0"}


def test_a_program_that_is_not_there_is_a_typed_failure_within_limits(tmp_path: Path) -> None:
    """Whatever means would hold it."""

    async def work() -> None:
        asked = Launch("it", ("no-such-program",), tmp_path / "l", 5.0, limits=Limits(nice=3))
        with pytest.raises(StartFailed, match="cannot execute no-such-program"):
            await launch(asked)

    asyncio.run(work())


def test_a_cgroup_is_made_below_or_beside_our_own(tmp_path: Path) -> None:
    """Where the memory is handed on; what a killed process left is removed first."""
    kernel = write(tmp_path, {
        "sys/fs/cgroup/cgroup.controllers": "memory",
        "sys/fs/cgroup/user/cgroup.subtree_control": "memory pids",
        "sys/fs/cgroup/user/shell/cgroup.subtree_control": "",
        "proc/self/cgroup": "0::/user/shell\n",
    })  # fmt: skip
    user = tmp_path / "sys/fs/cgroup/user"
    (user / f"{cgroup.PREFIX}{2**22 + 5}").mkdir()
    (user / f"{cgroup.PREFIX}1").mkdir()
    found = cgroup.made({"memory.max": "1", "cpu.weight.nice": "5"}, kernel)

    assert found == user / f"{cgroup.PREFIX}{os.getpid()}"
    assert sorted(f.name for f in user.glob(f"{cgroup.PREFIX}*")) == sorted(
        [f"{cgroup.PREFIX}1", found.name]
    )
    cgroup.remove(found)
    assert not found.exists()


@pytest.mark.parametrize(
    "files",
    [
        {"proc/self/cgroup": "4:memory:/a\n0::/\n"},
        {"proc/self/cgroup": "0::/../elsewhere\n", "sys/fs/cgroup/cgroup.controllers": "memory"},
        {"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/cgroup.controllers": "memory",
         "sys/fs/cgroup/a/cgroup.subtree_control": "pids"},
        {},
    ],
)  # fmt: skip
def test_none_is_made_where_nobody_delegated_one(tmp_path: Path, files: dict[str, str]) -> None:
    """Version 1, a path out of sight, a parent that hands on no memory, another system."""
    assert cgroup.made({"memory.max": "1"}, write(tmp_path, files)) is None
