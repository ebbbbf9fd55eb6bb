"""Run `tune`, and end it with SIGKILL at the n-th write of a kind that has to outlast it.

    python killed.py append|create|replace|link N before|after|torn WORDS...

`append` writes a line of a journal, the others files and links in service.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from tuner.cli.main import main
from tuner.machine import durable

_kind, _left, _when = sys.argv[1], int(sys.argv[2]), sys.argv[3]
_write = getattr(durable, _kind)


def _write_and_die(*given: Any) -> None:
    global _left
    _left -= 1
    if _left == 0 and _when == "torn":
        path, content, at = given
        _write(path, content[: len(content) // 2], at)
    if _left or _when == "after":
        _write(*given)
    if _left == 0:
        os.kill(os.getpid(), signal.SIGKILL)


setattr(durable, _kind, _write_and_die)
sys.argv = ["tune", *sys.argv[4:]]
main()
