"""What will be otherwise at night than it seems by day."""

from __future__ import annotations

import os
from collections.abc import Iterator

from tuner.spec.study import Study
from tuner.telling import tell
from tuner.workflow.schedule.job import Job

_DAY_S = 24 * 3600


def remarks(job: Job, study: Study) -> Iterator[str]:
    """Yield what to know of a job: what it will lack, and what will end it."""
    length = job.window.length.total_seconds()
    if job.budget_s is not None and job.budget_s > length:
        yield (
            f"the budget is longer than the window: a night ends with it, after {length / 3600:g} h"
        )
    if length + job.watch_s >= _DAY_S:
        yield (
            f"a watch of {job.watch_s / 3600:g} h may last into the next night, which does not "
            "begin then"
        )
    if set_here := sorted(name for name in os.environ if name.startswith("TUNE_")):
        yield f"set here, and not at night: {', '.join(set_here)}"
    if study.notify is None:
        return
    if study.notify.tells and (problem := tell.missing()):
        yield problem
    folder = study.notify.textfile
    if folder is not None and not os.access(folder, os.W_OK | os.X_OK):
        yield f"notify.textfile: {folder} is no folder that can be written from here"
