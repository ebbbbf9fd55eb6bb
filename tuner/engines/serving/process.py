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

import psutil

from tuner.machine.confinement import Confinement
from tuner.spec.beside import Means
from tuner.spec.errors import EngineDied, StartFailed

UNCONFINED = Confinement()

GRACE_S = 3.0
"""Seconds between SIGTERM and SIGKILL."""

KILL_S = 10.0
"""Seconds after SIGKILL in which even an engine with much memory is gone; then it is given up."""


@dataclass(slots=True)
class EngineProcess:
    """A running engine: its process id, its log, and whether it still lives.

    `left` are the processes of it that did not end when they were killed; `means` is what was
    to hold its limits.
    """

    pid: int
    log: Path
    supervisor: asyncio.subprocess.Process
    exit_code: int | None = None
    left: tuple[int, ...] = ()
    means: Means = "process"
    _watch: asyncio.Task[None] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._watch = asyncio.get_running_loop().create_task(self._read_reports())

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
    command: Sequence[str],
    log: Path,
    env: Mapping[str, str] = MappingProxyType({}),
    confinement: Confinement = UNCONFINED,
) -> EngineProcess:
    """Start a command under a supervisor; raise StartFailed when it cannot be executed.

    `env` is set on top of this process's own environment; `confinement` holds for the command and
    all that comes of it.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    supervisor = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tuner.engines.serving.supervisor"),
        *(str(log), str(GRACE_S), str(KILL_S), json.dumps(confinement.document()), *command),
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
    return EngineProcess(report["pid"], log, supervisor)
