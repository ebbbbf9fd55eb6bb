"""Run `tune`, and end it with SIGKILL before or after it writes the n-th line of a journal.

python killed.py N before|after|torn WORDS...
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from tuner.cli.main import main
from tuner.machine import durable

_append, _left, _when = durable.append, int(sys.argv[1]), sys.argv[2]


def _append_and_die(path: Path, content: bytes, at: int) -> None:
    global _left
    _left -= 1
    if _left == 0 and _when == "torn":
        _append(path, content[: len(content) // 2], at)
    if _left or _when == "after":
        _append(path, content, at)
    if _left == 0:
        os.kill(os.getpid(), signal.SIGKILL)


durable.append = _append_and_die
sys.argv = ["tune", *sys.argv[3:]]
main()
