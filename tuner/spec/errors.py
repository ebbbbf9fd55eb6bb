"""Every error a user can meet, each with the exit code that the command line returns.

    TunerError                1   (never raised itself)
    ├── OutputError           1   results cannot be written: no space, no permission
    ├── ClientDied            1   a client process ended in the middle of a measurement
    ├── NotTold               1   a message did not reach everybody
    ├── InputError            2   a study file, option or other input is wrong
    ├── NotComparable         6   unlike runs: another machine, model, engine or workload
    ├── Locked               75   another tune uses the same folder, or changes the same name
    ├── Busy                 75   production is busy, or leaves no room: later it may do
    └── EngineError           5   the engine is missing, cannot start or died
        ├── EngineMissing     5   a program or package has to be installed first
        ├── StartFailed       5   typed by `reason`, with the tail of the engine's log
        ├── EngineDied        5   the engine stopped answering during a trial
        └── ProductionDown    5   production was paused, and does not come back

A traceback that reaches the user means a bug; one of these means a sentence.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

StartReason = Literal["out_of_memory", "bad_flag", "crashed", "timeout", "wrong_server"]


class TunerError(Exception):
    """Base of all errors that are shown to the user as one sentence."""

    exit_code: ClassVar[int] = 1


class InputError(TunerError):
    """A study file, an option or another input cannot be used as it is."""

    exit_code = 2


class OutputError(TunerError):
    """Results cannot be written: the disk is full, or the folder may not be written to."""


class ClientDied(TunerError):
    """A client process was ended from outside in the middle of a measurement."""


class NotTold(TunerError):
    """A message did not reach every target that a study names."""


class NotComparable(TunerError):
    """What was measured before was measured under other circumstances."""

    exit_code = 6


class Locked(TunerError):
    """Another process works on the same folder, or on the same name in service."""

    exit_code = 75


class Busy(TunerError):
    """Production beside which something was to be measured is busy, or leaves no room for it."""

    exit_code = 75


class EngineError(TunerError):
    """The engine is missing, cannot be started or died."""

    exit_code = 5


class EngineMissing(EngineError):
    """A program or package has to be installed; the text holds the exact command."""


class StartFailed(EngineError):
    """The engine did not reach a serving state.

    `reason` is the type of the failure (`wrong_server`: another program has the port),
    `log_tail` the last lines of the engine's log.
    """

    def __init__(self, reason: StartReason, message: str, log: Path | None = None) -> None:
        self.reason: StartReason = reason
        self.log_tail = tail(log) if log else ""
        shown = f"\nLast lines of {log}:\n{self.log_tail}" if self.log_tail else ""
        super().__init__(f"{message} ({reason}){shown}")


class EngineDied(EngineError):
    """The engine's process ended while it was being used."""


class ProductionDown(EngineError):
    """Production was paused and does not serve again; the text holds the command to run by hand."""


def tail(log: Path, lines: int = 12) -> str:
    """Return the last `lines` lines of a log file, or "" where there is none."""
    if not log.exists():
        return ""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
