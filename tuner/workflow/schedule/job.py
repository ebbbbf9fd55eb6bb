"""What is run every night: the command, where, with what around it, and when."""

from __future__ import annotations

import math
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tuner.spec.errors import InputError
from tuner.spec.file_name import for_file
from tuner.spec.time_zones import machine_zone
from tuner.spec.window import Window
from tuner.store.state_folder import STATE_VARIABLE, state_folder

STOP_S = 300
"""Time between a request to end and the kill: the engine's stop, then bringing back what served."""

_SET_BACK = timedelta(hours=1)
"""By as much a window can be longer than its text says."""

_UNWRITABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
"""Control characters, halves of characters, and what XML forbids."""


@dataclass(frozen=True, slots=True)
class Job:
    """The nightly run of a name in service.

    `study` is None for the packaged one. `budget_s` None leaves the budget to the study. What a
    night promotes is watched for `watch_s` seconds; with `pause` production is stopped while it is
    measured.
    """

    name: str
    window: Window
    study: Path | None = None
    budget_s: float | None = None
    watch_s: float = 0.0
    pause: bool = False

    @property
    def called(self) -> str:
        """Return what units and files of this job are called."""
        return f"tune-retune-{for_file(self.name)}"

    @property
    def longest_s(self) -> int:
        """Return after how many seconds a night that does not end by itself is ended.

        One that promotes at the window's end is watched from then on.
        """
        length_s = (self.window.length + _SET_BACK).total_seconds()
        return math.ceil(length_s + self.watch_s) + STOP_S

    @property
    def delay_s(self) -> int:
        """Return by how many seconds at most a start may be spread: not all machines at once."""
        return min(300, int(self.window.length.total_seconds()) // 12)

    def words(self, study: str | None) -> tuple[str, ...]:
        """Return the words after the program; `study` is where it lies there."""
        return (
            "retune",
            *([] if study is None else [study]),
            *("--name", self.name, "--window", str(self.window)),
            *([] if self.budget_s is None else ["--budget", _seconds(self.budget_s)]),
            *(["--watch", _seconds(self.watch_s)] if self.watch_s else []),
            *(["--pause-production"] if self.pause else []),
        )


def _seconds(duration_s: float) -> str:
    """Return a duration as an option takes it: without an exponent, however long it is."""
    return f"{math.ceil(duration_s)}s"


@dataclass(frozen=True, slots=True)
class Here:
    """How the job runs on this machine: the program, its folder and its environment."""

    command: tuple[str, ...]
    folder: str
    environment: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Plan:
    """The files for a scheduler, the steps that put them in force, and what to know of them.

    A step or a remark names a file's place by {folder}.
    """

    files: Mapping[str, str]
    steps: tuple[str, ...]
    remarks: tuple[str, ...] = ()


def here(job: Job) -> Here:
    """Return how a job runs on this machine, with absolute paths: a scheduler knows no others.

    Raises InputError for a path or a name that no file of a scheduler can hold.
    """
    study = None if job.study is None else str(job.study.absolute())
    command = (sys.executable, "-m", "tuner", *job.words(study))
    environment = {"PATH": _programs(), STATE_VARIABLE: str(state_folder().parent)}
    found = Here(command, str(Path.cwd()), environment)
    for text in (*found.command, found.folder, *found.environment.values()):
        ensure_writable(text)
    return found


def ensure_writable(text: str) -> None:
    """Raise InputError for a text that not every file can hold."""
    if found := _UNWRITABLE.search(text):
        raise InputError(
            f"{text!r} holds the character {found[0]!r}, which a scheduler's file cannot hold; "
            "give it another name"
        )


def in_machine_zone(window: Window) -> bool:
    """Tell whether a window's zone shows this machine's time, all the coming year."""
    zone, _ = machine_zone()
    now = datetime.now(UTC)
    days = (now + timedelta(days=days) for days in range(366))
    return all(day.astimezone(zone).utcoffset() == day.astimezone(window.zone).utcoffset()
               for day in days)  # fmt: skip


def _programs() -> str:
    """Return the folders of PATH that are there, once each and absolute."""
    told = (Path(p) for p in os.environ.get("PATH", os.defpath).split(os.pathsep))
    return os.pathsep.join(dict.fromkeys(str(p) for p in told if p.is_absolute() and p.is_dir()))
