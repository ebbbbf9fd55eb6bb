"""Start production again where `tune` was killed while it was stopped.

    python -m tuner.workflow.beside.guardian

`tune` holds the other end of this process's standard input. Where that closes without a word,
`tune` was killed, and what it stopped is started. What even this does not bring back, because it
was killed too, the next `tune` finds by its note.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

DONE = b"done\n"

LET_GO_S = 10.0
"""Seconds in which the kernel lets go of what a killed process had locked."""


@contextlib.contextmanager
def guarded(log: Path) -> Iterator[None]:
    """Have this process stand by while production is stopped; what it says goes to `log`."""
    with log.open("wb") as said:
        guardian = subprocess.Popen(
            [sys.executable, "-m", "tuner.workflow.beside.guardian"],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    with guardian:
        try:
            yield
        finally:
            assert guardian.stdin is not None
            with contextlib.suppress(BrokenPipeError):
                guardian.stdin.write(DONE)


def main() -> None:
    """Wait until `tune` has ended, and start production where it could not."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the pipe alone decides
    if sys.stdin.buffer.read() == DONE:
        return
    from tuner.workflow.beside.pausing import bring_back, left_paused

    deadline = time.monotonic() + LET_GO_S
    while left_paused() and time.monotonic() < deadline:
        bring_back(lambda line: print(line, flush=True))
        time.sleep(0.1)


if __name__ == "__main__":
    main()
