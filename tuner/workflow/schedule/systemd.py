"""A timer and a service of systemd (systemd.timer(5), systemd.service(5))."""

from __future__ import annotations

from tuner.engines.quoting import for_systemd, systemd_command
from tuner.spec.templates import fill
from tuner.workflow.schedule.job import STOP_S, Job, Plan, here

_USERS = "~/.config/systemd/user"
LOCKED = 75
"""The exit code of a second night at once, which is no failure of the service."""


def plan(job: Job) -> Plan:
    """Return the units and the steps of a user's own systemd."""
    service, timer = f"{job.called}.service", f"{job.called}.timer"
    return Plan(
        {service: _service(job), timer: _timer(job)},
        (
            f"install -D -m 644 -t {_USERS} {{folder}}/{service} {{folder}}/{timer}",
            f"systemctl --user daemon-reload && systemctl --user enable --now {timer}",
            "loginctl enable-linger  # so that it runs while you are not logged in",
        ),
        (
            "secrets, such as the URLs of notify.urls_from, go as NAME=VALUE lines into "
            f"~/.config/modelfile-tuner/retune.env (mode 600), which {service} reads",
        ),
    )


def _service(job: Job) -> str:
    runs = here(job)
    values = {
        "name": _in_unit(job.name),
        "folder": f"{_in_unit(runs.folder).rstrip('/')}/",  # the slash keeps a blank before it
        "settings": [(name, for_systemd(value)) for name, value in runs.environment.items()],
        "command": systemd_command(runs.command),
        "locked": LOCKED,
        "longest_s": job.longest_s,
        "stop_s": STOP_S,
    }
    return fill("schedule/retune.service.j2", values)


def _timer(job: Job) -> str:
    zone = f" {job.window.zone_name}" if job.window.zone_name else ""
    values = {
        "name": _in_unit(job.name),
        "calendar": f"*-*-* {job.window.opens:%H:%M}:00{zone}",
        "delay_s": job.delay_s,
    }
    return fill("schedule/retune.timer.j2", values)


def _in_unit(text: str) -> str:
    """Return a value that stands without quotes, in which only a percent begins something."""
    return text.replace("%", "%%")
