"""What tests need of processes: that they end, and that they hear signals."""

from __future__ import annotations

import signal
import time

import psutil

from tuner.machine.interrupts import ENDING


def still_running(*pids: int, seconds: float = 15.0) -> list[int]:
    """Wait for processes to end, and return the ids of those that still run."""
    deadline = time.monotonic() + seconds
    while not all(map(ended, pids)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return [p for p in pids if not ended(p)]


def ended(pid: int) -> bool:
    """Return whether a process is gone, or a zombie that nobody has reaped yet."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def hear_signals() -> None:
    """Hear the signals that end a program, though nohup and jobs in the background ignore some."""
    for number in ENDING:
        signal.signal(number, signal.SIG_DFL)
