"""A job of launchd (launchd.plist(5))."""

from __future__ import annotations

import shlex
from xml.sax.saxutils import escape

from tuner.spec.errors import InputError
from tuner.spec.templates import fill
from tuner.store.state_folder import state_folder
from tuner.workflow.schedule.job import STOP_S, Job, Plan, here, in_machine_zone

_AGENTS = "~/Library/LaunchAgents"


def plan(job: Job) -> Plan:
    """Return the job's file and the steps of a user's own launchd.

    Raises InputError for a window in another zone than the machine's, which launchd cannot tell.
    """
    if not in_machine_zone(job.window):
        raise InputError(
            f"launchd knows only the machine's own time, and not {job.window.zone_name}; give the "
            "window in the machine's time"
        )
    label = f"modelfile-tuner.{job.called}"
    logs = state_folder()
    text = _property_list(job, label, f"{logs}/{job.called}.log")
    return Plan(
        {f"{label}.plist": text},
        (
            f"mkdir -p {shlex.quote(str(logs))} {_AGENTS}",
            f"cp {{folder}}/{label}.plist {_AGENTS}/",
            f"launchctl bootstrap gui/$(id -u) {_AGENTS}/{label}.plist",
        ),
        (
            "it holds no secrets: let the study name a file of URLs (notify.urls_file)",
            f"what it prints goes to {logs}/{job.called}.log",
        ),
    )


def _property_list(job: Job, label: str, log: str) -> str:
    runs = here(job)
    values = {
        "label": escape(label),
        "words": [escape(word) for word in runs.command],
        "folder": escape(runs.folder),
        "settings": [(name, escape(value)) for name, value in runs.environment.items()],
        "hour": job.window.opens.hour,
        "minute": job.window.opens.minute,
        "stop_s": STOP_S,
        "log": escape(log),
    }
    return fill("schedule/retune.plist.j2", values)
