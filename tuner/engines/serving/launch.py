"""Start a server and wait until it serves, or say in a sentence why it does not."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from tuner.engines.serving import control, process
from tuner.engines.serving.chat import read_chat
from tuner.engines.serving.limiting import confined, in_force, killed_in_cgroup
from tuner.load.wire import HttpTransport
from tuner.machine import processes
from tuner.machine.counters import memory_kills
from tuner.spec.address import Address
from tuner.spec.beside import InForce, Limits
from tuner.spec.errors import StartFailed, StartReason, tail

POLL_S = 0.02
"""How often a start is looked at in its first seconds."""

POLL_SHARE = 0.02
"""How much later than it could a start may be noticed: looking takes CPU that the start needs."""

_IN_USE = re.compile(
    r"address already in use|EADDRINUSE|(couldn't|could not|failed to|cannot) bind"
    r"|port \d* ?is (already )?(in use|occupied)",
    re.IGNORECASE,
)
_OUT_OF_MEMORY = re.compile(
    r"failed to allocate|unable to allocate|out of memory|bad_alloc|cannot allocate|MemoryError"
    r"|insufficient memory",
    re.IGNORECASE,
)
_BAD_SETTING = re.compile(
    r"requires flash|(invalid|unknown|unrecognized) (argument|parameter|value|option|choice|flag)"
    r"|no such option|unsupported|must be",
    re.IGNORECASE,
)


PORT_RETRIES = 2
"""How often another port is tried where somebody took the one that was free."""


def unexplained(log: str, exit_code: int | None) -> tuple[StartReason, str] | None:
    """Return None: nothing is known of a server's log but what `start_failure` looks for."""
    return None


@dataclass(frozen=True, slots=True)
class Launch:
    """What to start and how it shows that it serves.

    `what` names it in messages; `port` is the one that the command tells it to take, None
    where it takes one of its own; `ready` is the path of a GET that must give 200. `explain`
    returns (type, sentence) for the whole log of a start that failed and its exit code, None
    where it knows nothing of it. `limits` are those of the study, None for no limits.
    """

    what: str
    command: tuple[str, ...]
    log: Path
    deadline_s: float
    env: Mapping[str, str] = field(default_factory=dict)
    ready: str = "/health"
    port: int | None = None
    explain: Callable[[str, int | None], tuple[StartReason, str] | None] = unexplained
    limits: Limits | None = None


class AddressInUse(StartFailed):
    """The server ended since another program has its port."""


async def launch(asked: Launch) -> tuple[process.EngineProcess, int]:
    """Start a server and return it with the port of 127.0.0.1 where it answers.

    Only a port that the server's own processes listen on counts, so that a foreign server is
    never taken for it. Raises StartFailed, and then leaves nothing running.
    """
    asked.log.unlink(missing_ok=True)
    command, confinement, means = confined(asked.command, asked.limits)
    running = await process.start(command, asked.log, asked.env, confinement)
    running.means = means
    port: int | None = None
    listened: set[int] = set()
    late = False
    try:
        async with asyncio.timeout(asked.deadline_s):
            port = await _serving_port(asked, running)
    except TimeoutError:
        late, listened = True, processes.listening_ports(running.pid)
    finally:
        if port is None:
            await running.stop()
    if port is None:
        raise await _too_late(asked, listened) if late else _ended(asked, running)
    return running, port


async def until_free(start: Callable[[], Awaitable[None]], tries: int) -> None:
    """Start a server, and again where another program took its port in the meantime."""
    for left in reversed(range(tries)):
        try:
            await start()
            return
        except AddressInUse:
            if left == 0:
                raise


class Served:
    """The half of an `Engine` that every server in a child process of ours has in common."""

    read = staticmethod(read_chat)

    def __init__(self, limits: Limits | None = None) -> None:
        self._process: process.EngineProcess | None = None
        self._port = 0
        self._limits = limits
        self._kills_before: int | None = None
        self.limits: InForce | None = None

    async def _launch(self, asked: Launch) -> None:
        """Start the server within the limits of the study, and read back what is in force."""
        self._kills_before = memory_kills()
        self._process, self._port = await launch(replace(asked, limits=self._limits))
        self.limits = in_force(self._process.pid, self._limits, self._process.means)

    def out_of_memory(self) -> str | None:
        """Return that the kernel ended a process of the server for its memory; see `Limited`."""
        if self._process is None or not self._lost_memory(self._process):
            return None
        bound = self.limits.memory_bytes if self.limits else None
        within = "" if bound is None else f", which may take {bound / 2**20:.0f} MiB"
        return f"the engine{within}, ran out of memory while it was measured (out_of_memory)"

    def _lost_memory(self, running: process.EngineProcess) -> bool:
        if running.alive:
            return killed_in_cgroup(running.pid)
        before, now = self._kills_before, memory_kills()
        killed = before is not None and now is not None and now > before
        by_kernel = killed and running.exit_code in (None, -9)  # None: not reported yet
        return by_kernel or bool(_OUT_OF_MEMORY.search(tail(running.log, 200)))

    @property
    def address(self) -> str:
        """Return the URL of the port that now serves."""
        return f"http://127.0.0.1:{self._port}"

    def transport(self) -> HttpTransport:
        """Return a transport to the port that now serves."""
        return HttpTransport(Address("127.0.0.1", self._port))

    def memory_bytes(self) -> int | None:
        """Return the resident memory of the server's processes."""
        return processes.resident_bytes(self._process.pid) if self._process else None

    def cpu_s(self) -> float | None:
        """Return the CPU seconds of the server's processes until now."""
        return processes.cpu_seconds(self._process.pid) if self._process else None

    def alive(self) -> bool:
        """Tell whether the server's process still runs."""
        return self._process is not None and self._process.alive

    async def aclose(self) -> None:
        """Stop the server and wait until it is gone."""
        running, self._process = self._process, None
        if running is not None:
            await running.stop()


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def answers(port: int, ready: str) -> bool:
    """Tell whether the server on a port says that it is ready."""
    status, _ = await control.call("GET", f"http://127.0.0.1:{port}{ready}")
    return status == 200


async def _serving_port(asked: Launch, running: process.EngineProcess) -> int | None:
    """Wait until a port that the server itself listens on answers; None when it ends before."""
    clock = asyncio.get_running_loop().time
    began = clock()
    while running.alive:
        for port in sorted(processes.listening_ports(running.pid)):
            if asked.port in (None, port) and await answers(port, asked.ready):
                return port
        await asyncio.sleep(max(POLL_S, POLL_SHARE * (clock() - began)))
    return None


def _ended(asked: Launch, running: process.EngineProcess) -> StartFailed:
    reason = start_failure(running.exit_code, tail(running.log, 200))
    message = f"{asked.what} ended at start ({_ending(running)})"
    if explained := asked.explain(_whole(running.log), running.exit_code):
        reason, words = explained
        message = f"{message}: {words}"
    if reason == "wrong_server":
        return AddressInUse(reason, f"{message}: {_remedy(asked.port)}", running.log)
    return StartFailed(reason, message, running.log)


def _whole(log: Path) -> str:
    return log.read_text(errors="replace") if log.exists() else ""


def _remedy(port: int | None) -> str:
    if port is not None:
        return f"another program has port {port}; stop that one"
    return (
        "another program has its port; stop that one, or write {{ port }} in the command so that "
        "a free port is taken"
    )


async def _too_late(asked: Launch, listened: set[int]) -> StartFailed:
    """Return the failure of a server that has been stopped since it was not ready in time."""
    message = f"{asked.what} was not ready after {asked.deadline_s:g} s"
    told = asked.port
    if told is not None and told not in listened and await _is_taken(told):
        foreign = (
            f"another program answers on port {told}, which it was told to take; stop that one"
        )
        return StartFailed("wrong_server", f"{message}: {foreign}", asked.log)
    where = ", ".join(map(str, sorted(listened))) or "no port"
    expected = f"expected 200 from GET {asked.ready} on {told or 'a port of its own'}"
    return StartFailed("timeout", f"{message}: {expected}, it listened on {where}", asked.log)


async def _is_taken(port: int) -> bool:
    """Tell whether anybody accepts a connection on a port."""
    try:
        async with asyncio.timeout(1.0):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


def start_failure(exit_code: int | None, log_tail: str) -> StartReason:
    """Return the type of a failed start from its exit status and the end of its log."""
    if _IN_USE.search(log_tail):
        return "wrong_server"
    if _OUT_OF_MEMORY.search(log_tail) or exit_code == -9:
        return "out_of_memory"
    if _BAD_SETTING.search(log_tail):
        return "bad_flag"
    return "crashed"


def _ending(running: process.EngineProcess) -> str:
    code = running.exit_code or 0
    return f"signal {-code}" if code < 0 else f"exit code {code}"
