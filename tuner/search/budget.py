"""The time budget: what the search may use, and what is kept for the proof."""

from __future__ import annotations

from dataclasses import dataclass

from tuner.spec.study import Study
from tuner.stats.eprocess import expected_requests

SCREENING_REQUESTS = 20
SHORTLIST = 4
SHORTLIST_REQUESTS = 40
MAX_FINALISTS = 3
ALPHAS = (0.025, 0.015, 0.01)
"""Error that each finalist may spend, fixed before confirmation; they sum to 5 %."""

TYPICAL_LATE_RATE = 0.002
WARMUP_REQUESTS = 2
RESTART_S = 1.5
"""Allowance for a restart with its read-back until one was measured."""


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How many requests stand between engine starts, and how many starts a proof rests on."""

    finalist_block: int
    finalist_starts: int
    baseline_block: int
    baseline_blocks: int

    @property
    def baseline_requests(self) -> int:
        """Return how many requests the baseline gets in all."""
        return self.baseline_block * self.baseline_blocks


CHEAP = Rhythm(95, 3, 50, 4)
DEAR = Rhythm(250, 2, 100, 2)
"""Where a restart takes as long as a screening trial: the fewest starts that show their spread."""


@dataclass(frozen=True, slots=True)
class Pace:
    """What things take, in seconds: a request at the study's load, and a restart."""

    request_s: float
    restart_s: float = RESTART_S

    @property
    def trial_s(self) -> float:
        """Return the time of one screening trial without its restart."""
        return (SCREENING_REQUESTS + WARMUP_REQUESTS) * self.request_s

    @property
    def trials_per_restart(self) -> float:
        """Return how many screening trials a restart is worth."""
        return self.restart_s / self.trial_s

    @property
    def rhythm(self) -> Rhythm:
        """Return how a proof alternates between its sides."""
        return DEAR if self.trials_per_restart > 1 else CHEAP


@dataclass(frozen=True, slots=True)
class Plan:
    """How the budget is divided, in seconds."""

    budget_s: float
    pace: Pace
    confirmation_s: float
    shortlist_s: float

    @property
    def search_s(self) -> float:
        """Return the time for screening candidates."""
        return max(0.0, self.budget_s - self.confirmation_s - self.shortlist_s)

    @property
    def trial_s(self) -> float:
        """Return the expected time of one screening trial."""
        return self.pace.trial_s + self.pace.restart_s

    @property
    def trials(self) -> int:
        """Return how many candidates can be screened."""
        return max(1, int(self.search_s / self.trial_s))

    @property
    def restarts(self) -> int:
        """Return how many engine starts are expected at the most."""
        rhythm = self.pace.rhythm
        return self.trials + SHORTLIST + rhythm.baseline_blocks + rhythm.finalist_starts


def plan(study: Study, pace: Pace | None = None) -> Plan:
    """Return the plan at a measured pace, or at the one that the study suggests."""
    pace = pace or expected_pace(study)
    rhythm = pace.rhythm
    starts = rhythm.finalist_starts + rhythm.baseline_blocks + 1
    proof = confirmation_requests(study, rhythm) * pace.request_s + starts * pace.restart_s
    confirmation = min(0.55 * study.budget_s, max(proof, 0.4 * study.budget_s))
    looks = SHORTLIST * (SHORTLIST_REQUESTS * pace.request_s + pace.restart_s)
    return Plan(study.budget_s, pace, confirmation, min(0.15 * study.budget_s, looks))


def expected_pace(study: Study) -> Pace:
    """Return the pace that is expected before anything has been measured.

    A request is taken to need four fifths of the tightest e2e target (half a second without
    one), or what the arrival rate gives.
    """
    e2e = [s.max_s for s in study.slos if s.metric == "e2e"]
    rate = study.workload.load.rate
    return Pace(1.0 / rate if rate is not None else 0.8 * min(e2e, default=0.625))


def confirmation_requests(study: Study, rhythm: Rhythm = CHEAP) -> float:
    """Return the requests that proving one finalist beside the baseline takes, as expected."""
    proof = max(
        (
            expected_requests(TYPICAL_LATE_RATE / 0.01 * (1 - s.quantile), s.quantile, ALPHAS[0])
            for s in study.slos
        ),
        default=100.0,
    )
    return proof + rhythm.baseline_requests
