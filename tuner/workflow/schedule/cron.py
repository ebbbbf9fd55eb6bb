"""A line of a crontab (crontab(5))."""

from __future__ import annotations

import shlex

from tuner.spec.errors import InputError
from tuner.spec.templates import fill
from tuner.workflow.schedule.job import Job, Plan, here, in_machine_zone

_LONGEST = 998
"""Characters of a command that Debian's cron takes (MAX_COMMAND is 1000)."""

_ZONE = (
    "the line CRON_TZ is known to cronie, and to Debian's cron not: it would start at {opens} of "
    "the machine's own time, and the night would be skipped as outside of its window; there use "
    "--systemd, or a window in the machine's time"
)


def plan(job: Job) -> Plan:
    """Return a file with the line, and how it gets into the crontab."""
    file, elsewhere = f"{job.called}.cron", not in_machine_zone(job.window)
    opens = job.window.opens
    values = {
        "zone": job.window.zone_name if elsewhere else None,
        "when": f"{opens.minute} {opens.hour} * * *",
        "command": _command(job),
    }
    return Plan(
        {file: fill("schedule/retune.cron.j2", values)},
        (f"crontab -e  # and put in {{folder}}/{file}, in place of its lines of an earlier time",),
        (_ZONE.format(opens=f"{opens:%H:%M}"),) if elsewhere else (),
    )


def _command(job: Job) -> str:
    """Return the command for /bin/sh; an unescaped percent would end it.

    Raises InputError for what cron takes in more than one way, and for a command that is too long.
    """
    runs = here(job)
    settings = [f"{name}={shlex.quote(value)}" for name, value in runs.environment.items()]
    does = f"cd {shlex.quote(runs.folder)} && {' '.join(settings)} {shlex.join(runs.command)}"
    if "\\" in does:
        raise InputError(f"a backslash has no one meaning in a crontab: {does}; use --systemd")
    command = does.replace("%", "\\%")
    if len(command) > _LONGEST:
        raise InputError(
            f"the line would have {len(command)} characters, and cron takes {_LONGEST}; shorten "
            "PATH for this command (PATH=/usr/bin:/bin tune schedule ...), or use --systemd"
        )
    return command
