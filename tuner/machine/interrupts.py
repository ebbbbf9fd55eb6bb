"""Handle the signals that end a program, while something must not be left half done."""

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
    """Return the signals that end the program, without those that nohup made it ignore."""
    return [number for number in ENDING if signal.getsignal(number) != signal.SIG_IGN]


@contextlib.contextmanager
def handled(handler: Handler) -> Iterator[None]:
    """Call `handler` for the signals that end the program, until the block ends."""
    with restored():
        for number in ending():
            signal.signal(number, handler)
        yield


def deafen() -> None:
    """Ignore these signals from now on, since the program is ending already."""
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)


@contextlib.contextmanager
def restored() -> Iterator[None]:
    """Restore the handlers of these signals after the block, except those ignored by then."""
    before = {number: signal.getsignal(number) for number in ENDING}
    try:
        yield
    finally:
        for number, old in before.items():
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, old)


@contextlib.contextmanager
def put_off() -> Iterator[None]:
    """Delay the signals that end the program until the block has ended."""
    caught: list[int] = []
    with handled(lambda number, frame: caught.append(number)):
        yield
    for number in caught[:1]:
        signal.raise_signal(number)
