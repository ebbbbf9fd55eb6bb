"""The plan of a sweep, before anything is measured."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rich.text import Text

from tuner import __version__
from tuner.evaluate.sweep import SweepPlan
from tuner.spec.study import Study


def plan_document(plan: SweepPlan, study: Study) -> dict[str, Any]:
    """Return the plan as JSON, `tuner.sweep-plan/1`."""
    head = {"schema": "tuner.sweep-plan/1", "tuner_version": __version__, "study": study.name}
    return head | asdict(plan) | {"budget_s": study.budget_s}


def show_plan(plan: SweepPlan, study: Study) -> Text:
    """Return the plan in words, and whether the budget has time for it."""
    knobs = "; ".join(f"{knob} {', '.join(map(str, v))}" for knob, v in plan.values.items())
    starts = f" and {plan.starts} engine starts" if plan.starts else ""
    text = (
        f"Sweep of study {study.name}: {knobs}, each alone on the baseline; "
        f"{study.workload.load}.\n"
        f"Plan: {plan.blocks} blocks, half of them of the baseline, with {plan.requests:,} requests"
        f"{starts}; about {plan.seconds / 60:.1f} min, if a request takes {plan.request_s:.2f} s."
    )
    if plan.seconds > study.budget_s:
        text += (
            f"\nThe budget is {study.budget_s / 60:.1f} min: at that pace it ends the sweep; use a "
            "larger --budget, or fewer --requests."
        )
    return Text(text)
