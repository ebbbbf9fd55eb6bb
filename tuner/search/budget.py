"""The time budget: how much of it the search may use, and how much the proof keeps."""

from __future__ import annotations

import math
from dataclasses import dataclass

import scipy

from tuner.search.error import finalist_error
from tuner.spec.engine_kinds import START_S
from tuner.spec.space import size
from tuner.spec.study import Study
from tuner.stats.planning import expected_requests, requests_to_pass

LEAST_LOOK, MOST_LOOK = 20, 100
"""The fewest and the most requests of a screening trial."""

MOST_SIBLINGS = 3
"""How many candidates at most share an engine start with the one that needs it."""

SHORTLIST = 4
BOTH_LOOKS = 60
"""Requests of a first and a second look together, where the first one is short."""

MOST_PROOF = 0.55
"""The largest share of a budget that is kept for the proof."""

PROOF_ANSWERS = 400
"""Answers that a proof looks at, where templates do not limit them."""

LEAST_WAVES = 4
"""A look or a block has at least so many times the requests that are in flight."""

TYPICAL_LATE_RATE = 0.002

WARMUP_REQUESTS = 2
"""The fewest requests that are sent before a trial; a plan assumes so many at first."""

LEAST_S = 1e-6
"""The least seconds to divide by: a request that is refused at once takes no time at all."""


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How many requests a block of a proof has, and how many blocks each side gets.

    Each block has an engine start of its own. With `one_start` the server cannot be started
    again, and the sides only take turns. With `interleaved` the baseline has its blocks between
    the finalist's, without it after the verdict. So many `strands` of requests are expected to
    hang together, until it was measured.
    """

    finalist_block: int
    finalist_blocks: int
    baseline_block: int
    baseline_blocks: int
    one_start: bool = False
    interleaved: bool = True
    strands: int = 1

    @property
    def starts(self) -> int:
        """Return how many engine starts a proof rests on."""
        return 1 if self.one_start else self.finalist_blocks

    @property
    def baseline_requests(self) -> int:
        """Return how many requests the baseline gets in all."""
        return self.baseline_block * self.baseline_blocks

    @property
    def to_verdict(self) -> tuple[int, int]:
        """Return how many requests of the baseline, and starts of both, come before the verdict."""
        if not self.interleaved:
            return 0, self.finalist_blocks
        return self.baseline_requests, self.finalist_blocks + self.baseline_blocks


@dataclass(frozen=True, slots=True)
class Pace:
    """How long a request at the study's load and a restart take, in seconds.

    `warmups` is how many requests the engine needs before a trial until it is steady; `in_flight`
    is how many requests are sent at a time.
    """

    request_s: float
    restart_s: float = START_S
    warmups: float = WARMUP_REQUESTS
    in_flight: float = 1.0

    @property
    def look(self) -> int:
        """Return how many requests a screening trial has: it takes as long as a restart.

        After a slow start a shorter look would leave the engine idle for most of the time. The
        number lies between LEAST_LOOK and MOST_LOOK, but is never below LEAST_WAVES times the
        requests in flight, since fewer would not see the load.
        """
        worth = self.restart_s / max(self.request_s, LEAST_S)
        waves = math.ceil(LEAST_WAVES * self.in_flight)
        return max(min(max(round(worth), LEAST_LOOK), MOST_LOOK), waves)

    @property
    def second_look(self) -> int:
        """Return the requests of a second look at a trial."""
        return max(BOTH_LOOKS - self.look, LEAST_LOOK)

    @property
    def trial_s(self) -> float:
        """Return the time of one screening trial without its restart."""
        return (self.look + self.warmups) * self.request_s

    @property
    def trials_per_restart(self) -> float:
        """Return how many of the shortest screening trials a restart is worth."""
        return self.restart_s / ((LEAST_LOOK + self.warmups) * max(self.request_s, LEAST_S))

    @property
    def siblings(self) -> int:
        """Return how many more candidates a start is worth that need no other one."""
        return round(min(self.trials_per_restart, MOST_SIBLINGS))


BASELINE_REQUESTS = 200
"""The fewest requests of the baseline; it gets more while a comparison of answers is open."""

BASELINE_BESIDE = 80
"""The baseline's requests between a finalist's where the guard compares no answers."""


def rhythm(study: Study, pace: Pace) -> Rhythm:
    """Return how a proof alternates between its sides.

    A proof has four starts a side. It has two, the fewest that show a spread, where a restart
    takes longer than a screening trial, unless the study asks for more. Where the guard compares
    no answers with the baseline's, the baseline gets a few requests between the finalist's and
    the others after the verdict; it gets all after the verdict where the run ends with the first
    proof.
    """
    dear = pace.trials_per_restart > 1
    usual = 2 if dear else 4
    blocks = usual if study.one_start else study.claim.starts or usual
    finalist = (500 if dear else PROOF_ANSWERS) * strands(study)
    baseline = BASELINE_BESIDE if study.guard.max_drop is None else BASELINE_REQUESTS
    least = math.ceil(LEAST_WAVES * in_flight(study))
    finalist_block, baseline_block = (
        max(math.ceil(n / blocks), least) for n in (finalist, baseline)
    )
    interleaved = study.guard.max_drop is not None or not study.stop_when_met
    return Rhythm(
        finalist_block, blocks, baseline_block, blocks, study.one_start, interleaved, strands(study)
    )


def in_flight(study: Study) -> float:
    """Return how many requests are in flight on average.

    In closed loop the concurrency; in open loop by Little's law (1961), with the time of an
    answer that just meets its target.
    """
    load = study.workload.load
    return load.concurrency if load.rate is None else load.rate * _answer_s(study)


def strands(study: Study) -> int:
    """Return how many times more requests a proof takes because some are in flight together.

    In closed loop this is the concurrency; in open loop it is the number that Poisson arrivals
    have in flight at 95 % of the times of sending.
    """
    if study.claim.in_flight == "apart":
        return 1
    if not study.workload.load.open_loop:
        return study.workload.load.concurrency
    return 1 + math.ceil(float(scipy.special.pdtrik(0.95, max(in_flight(study), LEAST_S))))


def _answer_s(study: Study) -> float:
    """Return the seconds of an answer that just meets the tightest target; 0.5 without one."""
    return 0.8 * min((s.max_s for s in study.slos if s.metric == "e2e"), default=0.625)


@dataclass(frozen=True, slots=True)
class Plan:
    """How the budget is divided, in seconds, for a space of so many `candidates`."""

    budget_s: float
    pace: Pace
    rhythm: Rhythm
    confirmation_s: float
    shortlist_s: float
    candidates: int

    @property
    def search_s(self) -> float:
        """Return the time for screening candidates."""
        return max(0.0, self.budget_s - self.confirmation_s - self.shortlist_s)

    @property
    def trial_s(self) -> float:
        """Return the expected time of one screening trial, with its share of a start."""
        return self.pace.trial_s + self.pace.restart_s / self._together

    @property
    def trials(self) -> int:
        """Return how many candidates can be screened: all of a small space, and no more."""
        fitting = int(self.search_s / max(self.trial_s, LEAST_S))
        return max(1, min(fitting, self.candidates))

    @property
    def screening_s(self) -> float:
        """Return the expected time of screening: less than `search_s` where the space is small."""
        return min(self.search_s, self.candidates * self.trial_s)

    @property
    def restarts(self) -> int:
        """Return how many engine starts are expected, proof included."""
        proof = self.rhythm.baseline_blocks + self.rhythm.finalist_blocks
        search = math.ceil(self.trials / self._together)
        return 0 if self.rhythm.one_start else search + SHORTLIST + proof

    @property
    def restarting_s(self) -> float:
        """Return the expected time of all engine starts, the budget at the most."""
        return min(self.restarts * self.pace.restart_s, self.budget_s)

    @property
    def _together(self) -> int:
        """Return how many trials are expected on one server."""
        return 1 + self.pace.siblings

    @property
    def requests(self) -> int:
        """Return about how many requests fit into the budget, less the time of engine starts."""
        return round((self.budget_s - self.restarting_s) / max(self.pace.request_s, LEAST_S))


def plan(study: Study, pace: Pace | None = None) -> Plan:
    """Return the plan for a measured pace, by default for the pace that the study suggests."""
    pace = pace or expected_pace(study)
    beat = rhythm(study, pace)
    proof = proof_s(study, pace)
    # a run that stops at the first proof goes on searching while one could still be had
    least = 0.0 if study.stop_when_met else 0.4 * study.budget_s
    confirmation = min(MOST_PROOF * study.budget_s, max(proof, least))
    looks = SHORTLIST * (pace.second_look * pace.request_s + pace.restart_s)
    shortlist = min(0.15 * study.budget_s, looks)
    return Plan(study.budget_s, pace, beat, confirmation, shortlist, size(study.space))


def proof_s(study: Study, pace: Pace) -> float:
    """Return the seconds that proving one finalist beside the baseline is expected to take."""
    baseline, starts = rhythm(study, pace).to_verdict
    meeting_s = min(pace.request_s, expected_pace(study).request_s)  # of one worth proving
    requests_s = finalist_requests(study) * meeting_s + baseline * pace.request_s
    return requests_s + (starts + 1) * pace.restart_s


def expected_pace(study: Study) -> Pace:
    """Return the pace to expect before anything has been measured.

    It assumes that an answer takes four fifths of the tightest e2e target. In closed loop as many
    requests end in that time as are in flight; in open loop the arrival rate says how many. A
    server that cannot be started again takes no time for starts.
    """
    restart_s = 0.0 if study.one_start else study.start_s
    at_once = in_flight(study)
    warmups = max(WARMUP_REQUESTS, math.ceil(at_once))
    return Pace(request_s(study, _answer_s(study)), restart_s, warmups, at_once)


def request_s(study: Study, answer_s: float) -> float:
    """Return the seconds from one request to the next, where an answer takes `answer_s`."""
    load = study.workload.load
    return answer_s / load.concurrency if load.rate is None else 1.0 / load.rate


def finalist_requests(study: Study) -> float:
    """Return how many requests proving one finalist is expected to take."""
    late = 0.0 if study.stop_when_met else TYPICAL_LATE_RATE / 0.01
    return proof_requests(study, finalist_error(study, 0), late)


def proof_requests(study: Study, alpha: float, late: float = 0.0) -> float:
    """Return how many requests a PASS of every target takes, 100 without a target.

    `late` is the late rate as a share of the one allowed.
    """
    needed = [
        expected_requests(late * (1 - s.quantile), s.quantile, alpha)
        if late
        else requests_to_pass(0, 0, s.quantile, alpha)
        for s in study.slos
    ]
    return max(needed, default=100.0) * strands(study)


@dataclass(frozen=True, slots=True)
class Price:
    """What proving one finalist costs, and what the proof then rests on.

    It takes `requests` if none is late, and `requests_typical` at TYPICAL_LATE_RATE; `in_flight`
    requests count as one.
    """

    requests: int
    requests_typical: int
    seconds: float
    starts: int
    in_flight: int


def price(study: Study, pace: Pace) -> Price:
    """Return what a proof costs at a pace."""
    least = math.ceil(proof_requests(study, finalist_error(study, 0)))
    typical = math.ceil(proof_requests(study, finalist_error(study, 0), TYPICAL_LATE_RATE / 0.01))
    starts = rhythm(study, pace).starts
    seconds = least * pace.request_s + starts * pace.restart_s
    return Price(least, typical, seconds, starts, strands(study))


def confirmation_requests(study: Study, beat: Rhythm) -> float:
    """Return how many requests proving one finalist and its baseline is expected to take."""
    return finalist_requests(study) + beat.baseline_requests
