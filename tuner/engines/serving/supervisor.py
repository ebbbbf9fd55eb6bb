"""Keep an engine's whole family of processes tied to the life of `tune`.

    python -m tuner.engines.serving.supervisor LOG GRACE_S KILL_S CONFINEMENT COMMAND [ARG ...]

`tune` holds the other end of this process's standard input. When that pipe closes, because
`tune` asked for it or because it was killed (SIGKILL included), the engine's group gets
SIGTERM, after the grace SIGKILL, and is reaped. What SIGKILL has not ended after KILL_S, since
it waits in the kernel for a device, is given up. Reports go to standard output, one JSON
object a line: {"pid": N}, then {"exit": CODE, "left": [PID, ...]} (negative for a signal, null
for an engine that was given up).

CONFINEMENT is a JSON object (`machine.confinement`): the limits of the engine. A cgroup that is
made for them is removed when the engine's family has ended.

Linux gives it what leaves the group, too; elsewhere (macOS) such a process outlives the engine.
What is imported needs the standard library alone: this process starts in a few ten milliseconds.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tuner.machine import cgroup
from tuner.machine.confinement import Confinement, enter
from tuner.machine.interrupts import ENDING

assert sys.platform != "win32"  # `store.run_folder.take` has refused before

PR_SET_PDEATHSIG = 1  # linux/prctl.h
PR_SET_CHILD_SUBREAPER = 36


def main() -> None:
    """Run the command until it ends or standard input closes."""
    log, grace_s, kill_s, told, *command = sys.argv[1:]
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)  # the pipe alone decides
    _prctl(PR_SET_CHILD_SUBREAPER, 1)  # descendants that leave the group still end up here
    child_ended = _wakeup_on_sigchld()
    confinement = Confinement(**json.loads(told))
    made = None if confinement.cgroup is None else cgroup.made(confinement.cgroup)
    try:
        child = _start(command, Path(log), lambda: enter(confinement, made))
    except OSError as error:
        _report(error=f"{error.strerror}: {command[0]}")
    else:
        _watch(child, child_ended, float(grace_s), float(kill_s))
    finally:
        if made is not None:
            cgroup.remove(made)


def _watch(child: subprocess.Popen[bytes], child_ended: int, grace_s: float, kill_s: float) -> None:
    """Wait until the engine ends or standard input closes, and end what is left of it."""
    _report(pid=child.pid)
    while child.poll() is None:
        readable, _, _ = select.select([sys.stdin.fileno(), child_ended], [], [])
        if sys.stdin.fileno() in readable and not os.read(sys.stdin.fileno(), 4096):
            break
        if child_ended in readable:
            os.read(child_ended, 4096)
    left = _end_family(child, grace_s, kill_s)
    _report(exit=child.poll(), left=left)


def _start(command: list[str], log: Path, confine: Callable[[], None]) -> subprocess.Popen[bytes]:
    def tie() -> None:
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # should this supervisor itself be killed
        for number in ENDING:
            signal.signal(number, signal.SIG_DFL)
        confine()

    with log.open("ab") as out:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=tie,
        )


def _end_family(child: subprocess.Popen[bytes], grace_s: float, kill_s: float) -> list[int]:
    """End the engine and all that came of it; return the processes that do not end."""
    _signal_group(child.pid, signal.SIGTERM)
    _wait(child, grace_s)
    _signal_group(child.pid, signal.SIGKILL)
    _wait(child, kill_s, _kill_children)
    return _children() or ([child.pid] if child.poll() is None else [])


def _wait(
    child: subprocess.Popen[bytes], most_s: float, again: Callable[[], None] = lambda: None
) -> None:
    """Wait until nothing of the family is left, but not for ever."""
    deadline = time.monotonic() + most_s
    while time.monotonic() < deadline and (child.poll() is None or _children()):
        again()
        _reap()
        time.sleep(0.01)


def _kill_children() -> None:
    for pid in _children():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def _signal_group(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _children() -> list[int]:
    """Return the direct children, adopted ones included (Linux; elsewhere none are adopted)."""
    path = Path(f"/proc/self/task/{os.getpid()}/children")
    return [int(pid) for pid in path.read_text().split()] if path.exists() else []


def _reap() -> None:
    """Collect adopted children that have ended; the engine itself is left to its Popen."""
    for pid in _children():
        with contextlib.suppress(ChildProcessError):
            if pid != _engine_pid:
                os.waitpid(pid, os.WNOHANG)


_engine_pid = 0


def _report(**facts: object) -> None:
    global _engine_pid
    pid = facts.get("pid")
    if isinstance(pid, int):
        _engine_pid = pid
    with contextlib.suppress(BrokenPipeError):
        print(json.dumps(facts), flush=True)


def _wakeup_on_sigchld() -> int:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    return reader


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


if __name__ == "__main__":
    main()
