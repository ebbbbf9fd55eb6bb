"""What the signals that end a program do while something must not be left half done."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Callable, Iterator
from types import FrameType

if sys.platform == "win32":
    ENDING = (signal.SIGINT, signal.SIGTERM)
else:
    ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, a polite request, and the end of the terminal."""

Handler = Callable[[int, FrameType | None], None]


def ending() -> list[signal.Signals]:
    """Return the signals that end the program, less those that are ignored as nohup does it."""
    return [number for number in ENDING if signal.getsignal(number) != signal.SIG_IGN]


@contextlib.contextmanager
def handled(handler: Handler) -> Iterator[None]:
    """Have `handler` called for the signals that end the program, as long as the block lasts."""
    with restored():
        for number in ending():
            signal.signal(number, handler)
        yield


def deafen() -> None:
    """Ignore these signals from here on: the program is ending, and impatience changes nothing."""
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)


@contextlib.contextmanager
def restored() -> Iterator[None]:
    """Let these signals do after the block what they did before it, unless they are ignored."""
    before = {number: signal.getsignal(number) for number in ENDING}
    try:
        yield
    finally:
        for number, old in before.items():
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, old)


@contextlib.contextmanager
def put_off() -> Iterator[None]:
    """Let the block end before a signal that came meanwhile takes effect."""
    caught: list[int] = []
    with handled(lambda number, frame: caught.append(number)):
        yield
    for number in caught[:1]:
        signal.raise_signal(number)
