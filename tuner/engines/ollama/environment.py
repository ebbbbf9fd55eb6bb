"""How a start of Ollama's server is made: its environment, and how Linux schedules it."""

from __future__ import annotations

from collections.abc import Mapping

from tuner.spec.knobs import Knob, value_of
from tuner.spec.values import Candidate, Setting


def environment(candidate: Candidate, knobs: Mapping[str, Knob]) -> dict[str, str]:
    """Return the variables of a candidate; "" is as good as none."""
    return dict(
        knob.written(candidate[name])
        for name, knob in knobs.items()
        if knob.where == "environment" and name in candidate
    )


def started_by(candidate: Candidate, knobs: Mapping[str, Knob]) -> tuple[str, ...]:
    """Return what stands before the server's program under a candidate."""
    policy = value_of(knobs, "scheduling", candidate)
    return () if policy is None else start_prefix(policy)


def start_prefix(policy: Setting) -> tuple[str, ...]:
    """Return what stands before a server's program for Linux to schedule it so (chrt(1)).

    `batch` threads that wake up do not push others off their core (sched(7)).
    """
    return () if policy == "other" else ("chrt", f"--{policy}", "0")
