"""What a night is asked to do."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from tuner.engines.deployment import Deployment
from tuner.spec.beside import Production
from tuner.spec.study import Study
from tuner.spec.window import Window
from tuner.workflow.checking.sources import RATE

T = TypeVar("T")

BY = "tune retune"
"""How the journal names who put something into service."""


class NotTonight(Exception):
    """Why a night measures nothing, in a sentence; the night itself takes it for its outcome.

    With `alarm` people have to look: the next night will find the same.
    """

    def __init__(self, why: str, *, alarm: bool = True) -> None:
        super().__init__(why)
        self.alarm = alarm


class Program(Protocol):
    """The program around a night: how it waits, and how a signal ends it."""

    def run_loop(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run a coroutine to its end; a signal cancels it, and then ends the program."""
        ...

    def ending_cleanly(self) -> AbstractContextManager[None]:
        """Let a signal be an exception in the block, so that it can clean up."""
        ...


@dataclass(frozen=True, slots=True)
class Asked:
    """What a night is asked to do.

    Its run goes into the folder `out`, and ends with the `window` at the latest. `pause` is the
    production that is stopped meanwhile, None for none. What is promoted is checked in place with
    so many `requests`, and then watched for `watch_s` seconds with `watch_rate` requests a second.
    """

    study: Study
    deployment: Deployment
    out: Path
    window: Window | None = None
    pause: Production | None = None
    requests: int = 60
    watch_s: float = 0.0
    watch_rate: float = RATE
