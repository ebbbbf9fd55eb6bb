"""The time budget: what the search may use, and what is kept for the proof."""

from __future__ import annotations

from dataclasses import dataclass

from tuner.spec.study import Study
from tuner.stats.eprocess import expected_requests

SCREENING_REQUESTS = 20
SHORTLIST = 4
SHORTLIST_REQUESTS = 40
BASELINE_BLOCKS = 4
BASELINE_BLOCK_REQUESTS = 50
FINALIST_STARTS = 3
"""Engine starts that a verdict on a finalist rests on."""

MAX_FINALISTS = 3
ALPHAS = (0.025, 0.015, 0.01)
"""Error that each finalist may spend, fixed before confirmation; they sum to 5 %."""

TYPICAL_LATE_RATE = 0.002
WARMUP_REQUESTS = 2
RESTART_S = 1.5
"""Allowance in the plan for a restart with its read-back; measured ones replace it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How the budget is divided, in seconds, before anything has been measured."""

    budget_s: float
    request_s: float
    confirmation_s: float
    shortlist_s: float

    @property
    def search_s(self) -> float:
        """Return the time for screening candidates."""
        return max(0.0, self.budget_s - self.confirmation_s - self.shortlist_s)

    @property
    def trial_s(self) -> float:
        """Return the expected time of one screening trial."""
        return (SCREENING_REQUESTS + WARMUP_REQUESTS) * self.request_s + RESTART_S

    @property
    def trials(self) -> int:
        """Return how many candidates can be screened."""
        return max(1, int(self.search_s / self.trial_s))

    @property
    def restarts(self) -> int:
        """Return how many engine starts are expected at the most."""
        return self.trials + SHORTLIST + BASELINE_BLOCKS + FINALIST_STARTS


def plan(study: Study, request_s: float | None = None) -> Plan:
    """Return the plan; `request_s` is the seconds a request takes at the study's load.

    Unmeasured, a request is taken to need four fifths of the tightest e2e target (half a
    second without one).
    """
    e2e = [s.max_s for s in study.slos if s.metric == "e2e"]
    per_request = (request_s or 0.8 * min(e2e, default=0.625)) / _parallel(study)
    proof = confirmation_requests(study) * per_request + 8 * RESTART_S
    confirmation = min(0.55 * study.budget_s, max(proof, 0.4 * study.budget_s))
    shortlist = min(0.15 * study.budget_s, SHORTLIST * SHORTLIST_REQUESTS * per_request)
    return Plan(study.budget_s, per_request, confirmation, shortlist)


def confirmation_requests(study: Study) -> float:
    """Return the requests that proving one finalist beside the baseline takes, as expected."""
    proof = max(
        (
            expected_requests(TYPICAL_LATE_RATE / 0.01 * (1 - s.quantile), s.quantile, ALPHAS[0])
            for s in study.slos
        ),
        default=100.0,
    )
    return proof + BASELINE_BLOCKS * BASELINE_BLOCK_REQUESTS


def _parallel(study: Study) -> float:
    load = study.workload.load
    return load.rate if load.rate is not None else 1.0
