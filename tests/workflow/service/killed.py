"""Run `tune`, and end it with SIGKILL at the n-th write of a kind that has to outlast it.

    python killed.py append|create|replace|link N before|after|torn WORDS...

`append` writes a line of a journal, the others files and links in service. `promote RESULT NAME`
in place of the words of a `tune` does what a night does with a challenger that is better.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from tuner.cli import program
from tuner.cli.main import main
from tuner.evaluate.night import Outcome
from tuner.machine import durable
from tuner.spec.study import load
from tuner.workflow.nightly.asked import Asked
from tuner.workflow.nightly.incumbent import incumbent
from tuner.workflow.nightly.into_service import promote
from tuner.workflow.service.journal import locked
from tuner.workflow.service.places import place_named

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


def _promote(result: str, name: str) -> None:
    study = load(Path("tune.yaml"))
    asked = Asked(study, place_named(name, None, study), Path("night"), requests=5)
    with locked(asked.deployment) as journal:
        was = incumbent(study, asked.deployment, journal)
    better = Outcome("undecided", "it is better", result=Path(result))
    promote(asked, was, better, program, print)


setattr(durable, _kind, _write_and_die)
if sys.argv[4] == "promote":
    _promote(*sys.argv[5:])
else:
    sys.argv = ["tune", *sys.argv[4:]]
    main()
