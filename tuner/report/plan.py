"""Say what a run plans to do."""

from __future__ import annotations

from rich.text import Text

from tuner.search.budget import Plan
from tuner.spec.study import Study


def show_plan(plan: Plan, study: Study) -> Text:
    """Return the plan of a run in words."""
    targets = ", ".join(map(str, study.slos))
    return Text(
        f"Study {study.name}: {targets}; {study.workload.load}; seed {study.seed}.\n"
        f"Plan for {plan.budget_s / 60:.1f} minutes, if a request takes "
        f"{plan.pace.request_s:.2f} s: about {plan.trials} trials in "
        f"{plan.screening_s / 60:.1f} min, a longer look at the best few in "
        f"{plan.shortlist_s / 60:.1f} min, proof on held-out prompts in "
        f"{plan.confirmation_s / 60:.1f} min; {_sent(plan)}"
    )


def _sent(plan: Plan) -> str:
    """Say how many requests or starts a plan takes; a server of somebody else may cost money."""
    if not plan.rhythm.one_start:
        return (
            f"about {plan.restarts} engine starts of some {plan.pace.restart_s:.3g} s each, "
            f"{plan.restarting_s / 60:.1f} min in all."
        )
    return (
        f"about {plan.requests} requests in all at that pace.\n"
        "The server cannot be started again. One that is faster is sent more requests in the same "
        "time: how many is said once its pace is known, and --budget bounds them."
    )
