"""Prometheus's alert rules for the metrics of the nights."""

from __future__ import annotations

from tuner.spec.templates import fill
from tuner.workflow.schedule.job import Plan

FILE = "modelfile-tuner.rules.yaml"

_LATE_H = 36
"""Hours without a decision: a night was missed, and the next one has not made up for it."""


def plan() -> Plan:
    """Return the rules, which hold for every name in service, and how they get into force."""
    return Plan(
        {FILE: fill("schedule/alerts.yaml.j2", {"late_s": _LATE_H * 3600, "late_h": _LATE_H})},
        (
            f"promtool check rules {{folder}}/{FILE}",
            "# then name it under rule_files: in prometheus.yml, and reload Prometheus",
        ),
    )
