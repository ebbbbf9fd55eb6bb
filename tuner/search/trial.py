"""A trial of the search, and the point estimates that rank it.

These numbers rank candidates and teach the sampler; no verdict is ever drawn from them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from tuner.engines.observation import Move, Observation
from tuner.evaluate.estimates import served, shares, tokens_per_s, worst_latencies
from tuner.guard.verdict import is_correct, is_valid
from tuner.search.budget import LEAST_LOOK
from tuner.search.provable import provable_drop, provable_floor
from tuner.spec.study import Study
from tuner.spec.values import Candidate, Metric, Sample, Slo
from tuner.stats.predict import late_rates, proof_chance, share_probability

State = Literal["complete", "pruned"]
Origin = Literal["baseline", "default", "neighbour", "sampler", "tightened"]

MARGIN = 1.05
"""The search multiplies latencies by this: the largest of twenty requests mostly lies below the
p99, and a machine's pace drifts between search and proof."""

RACING_SLACK = 0.15
"""How much worse than the best so far (share of correct answers, or ratio of latencies) a trial
must be before it is cut: the best of many short looks is mostly the luckiest."""

WORST_VIOLATION = 10.0
"""The violation of a crash, a failed start or an ignored knob: large, but finite, so that TPE can
still rank it. Real violations are log ratios and differences of shares, below 5."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One candidate measured in the search. `reason` says why a pruned one was not measured fully.

    `planned` is how many requests a full measurement has. `violations` has a number for each
    constraint, zero or less where it holds, all of comparable scale. `value` is NaN where the
    objective is unknown. `of` is the number of the trial whose second look this is, `same_as` that
    of the one which measured what this one amounts to. `observed` is what the server told of
    itself meanwhile.
    """

    number: int
    candidate: Candidate
    origin: Origin
    state: State
    reason: str | None = None
    samples: tuple[Sample, ...] = ()
    violations: Mapping[str, float] = field(default_factory=dict)
    value: float = math.nan
    memory_bytes: int | None = None
    of: int | None = None
    planned: int = LEAST_LOOK
    same_as: int | None = None
    observed: Observation | None = None

    @property
    def moves(self) -> tuple[Move, ...]:
        """Return what the server's own numbers propose to try next."""
        return self.observed.reason.moves if self.observed else ()

    @property
    def feasible(self) -> bool:
        """Tell whether it was measured in full and its estimates meet every constraint."""
        return self.state == "complete" and all(v <= 0 for v in self.violations.values())

    @property
    def total_violation(self) -> float:
        """Return the sum of all violations above zero, by which TPE ranks infeasible trials."""
        return sum(max(0.0, v) for v in self.violations.values())

    def rank(self) -> tuple[bool, float, float]:
        """Return a key that sorts better trials first: feasible, least broken, best value."""
        unknown = math.isnan(self.value)
        return (not self.feasible, self.total_violation, math.inf if unknown else -self.value)


def violations(
    study: Study, samples: Sequence[Sample], baseline_correct: float | None
) -> dict[str, float]:
    """Return the violation of each constraint, by its name.

    For a target it is the log ratio of the estimated quantile to the bound; for the guard it is
    the share that is missing. Shares are compared with what a proof is likely to show, since
    candidates that only just keep a floor draw a search to where nothing can be proven.
    """
    found = {
        str(slo): _log_ratio(MARGIN * estimate_s(study, slo, samples), slo.max_s)
        for slo in study.slos
    }
    valid, correct = shares(samples)
    guard = study.guard
    if guard.min_valid is not None:
        found["min_valid"] = provable_floor(study, guard.min_valid) - valid
    if guard.min_correct is not None:
        found["min_correct"] = provable_floor(study, guard.min_correct) - correct
    if (least := _least_correct(study, baseline_correct)) is not None:
        found["max_drop"] = provable_drop(study, least) - correct
    return found


def estimate_s(study: Study, slo: Slo, samples: Sequence[Sample]) -> float:
    """Return the search's estimate of a target's quantile in seconds; inf without samples."""
    return _quantile(worst_latencies(study, slo.metric, samples), slo.quantile)


def baseline_correct(trials: Sequence[Trial]) -> float | None:
    """Return the baseline's share of correct answers, as screened, or None."""
    # the last one: an earlier part of the run may have been refused by the server
    baseline = next((t for t in reversed(trials) if t.origin == "baseline"), None)
    return shares(baseline.samples)[1] if baseline and baseline.samples else None


def _least_correct(study: Study, baseline_correct: float | None) -> float | None:
    """Return the least share of correct answers that `max_drop` allows, or None."""
    if study.guard.max_drop is None or baseline_correct is None:
        return None
    return baseline_correct - study.guard.max_drop


def hopeless(study: Study, samples: Sequence[Sample], planned: int) -> bool:
    """Tell whether a trial is beyond rescue, so that the rest of it would teach nothing.

    It is when a quarter of its requests were late, counted over at least LEAST_LOOK. It is also
    when more answers were invalid than the floor allows, with a quarter of the requests to spare.
    Latencies count from sending here.
    """
    slack = max(LEAST_LOOK, len(samples)) / 4
    late = max(
        (
            sum(not s.latency_s(slo.metric) <= slo.max_s for s in samples)  # NaN is late as well
            for slo in study.slos
            if slo.quantile >= 0.9
        ),
        default=0,
    )
    invalid = sum(not is_valid(s) for s in samples)
    allowed = planned * (1 - (study.guard.min_valid or 0.0)) + slack
    return late >= slack or invalid >= allowed


def outraced(
    study: Study, samples: Sequence[Sample], planned: int, incumbent: Trial | None
) -> bool:
    """Tell whether a trial can no longer beat the best feasible one, whatever still comes.

    Its largest latencies cannot become smaller, and its share of correct answers is at most what
    it would be if all answers to come were right. RACING_SLACK allows for the luck of the best.
    """
    if incumbent is None:
        return False
    if study.objective == "correct":
        missing = sum(not is_correct(s) for s in samples) / planned
        return 1 - missing < shares(incumbent.samples)[1] - RACING_SLACK
    if study.objective not in ("e2e_p99", "ttft_p99"):
        return False
    metric: Metric = "ttft" if study.objective == "ttft_p99" else "e2e"
    best = p99_s(study, incumbent.samples, metric)
    return p99_s(study, samples, metric) > best * (1 + RACING_SLACK)


def value(study: Study, samples: Sequence[Sample], memory_bytes: int | None = None) -> float:
    """Return the value of the objective; greater is better, NaN is unknown.

    With `correct` it is the share of right answers, and latency breaks ties. All other
    objectives are logarithms, so that equal ratios weigh the same. Memory is in GiB.
    """
    if study.objective == "memory":
        return -math.log(memory_bytes / 2**30) if memory_bytes else math.nan
    if study.objective == "throughput":
        rate = tokens_per_s(samples)
        return math.nan if rate is None else math.log(max(rate, 1e-9))
    metric: Metric = "ttft" if study.objective == "ttft_p99" else "e2e"
    speed = -_log_ratio(p99_s(study, samples, metric), 1.0)
    return shares(samples)[1] + 0.01 * speed if study.objective == "correct" else speed


def p99_s(study: Study, samples: Sequence[Sample], metric: Metric = "e2e") -> float:
    """Return the search's estimate of a p99 in seconds; inf without samples."""
    return _quantile(worst_latencies(study, metric, samples), 0.99)


def chance(study: Study, trial: Trial) -> float:
    """Return how likely it is that a trial's candidate can be proven.

    It ranks trials for choosing finalists, from few samples; it is never a verdict. A share of
    good answers has to lie as far above its floor as a proof needs.
    """
    result = math.prod(_timely(study, slo, trial.samples) for slo in study.slos)
    n = len(trial.samples)
    valid, correct = shares(trial.samples)
    if study.guard.min_valid is not None:
        floor = provable_floor(study, study.guard.min_valid)
        result *= share_probability(round(valid * n), n, floor)
    missing = [v for name, v in trial.violations.items() if name in ("min_correct", "max_drop")]
    if missing:
        result *= share_probability(round(correct * n), n, correct + max(missing))
    return result


def _timely(study: Study, slo: Slo, samples: Sequence[Sample]) -> float:
    """Return how likely a target is to be proven, as far as latencies tell."""
    seconds = np.array(worst_latencies(study, slo.metric, samples))
    lengths = _by_length(samples) if slo.metric == "e2e" else np.ones_like(seconds)
    known = seconds > 0  # 0: no time for a token
    if not known.any():
        return 1.0
    return proof_chance(late_rates(seconds[known], slo.max_s, lengths[known]), 1 - slo.quantile)


def _by_length(samples: Sequence[Sample]) -> npt.NDArray[np.float64]:
    """Return the seconds that each request would take at the median pace, given its tokens.

    All are 1 where the number of tokens is unknown.
    """
    answered = served(samples)
    tokens = np.array([s.output_tokens or math.nan for s in samples])
    paces = [s.latency_s("tpot") for s in answered if (s.output_tokens or 0) > 1]
    if not paces or any(s.output_tokens is None for s in answered):
        return np.ones(len(samples))
    first = float(np.median([s.latency_s("ttft") for s in answered]))
    found = first + float(np.median(paces)) * np.maximum(tokens - 1, 0)
    return np.where(found > 0, found, 1.0)  # NaN: not served


def _quantile(values: Sequence[float], q: float) -> float:
    """Return an estimate of a quantile that does not depend on how long the look was.

    For LEAST_LOOK values a high quantile is the largest of them. The largest of more values would
    be larger, and a longer look at the same candidate would seem worse; so the level is bounded.
    """
    level = min(q, 1 - 0.5 / LEAST_LOOK)
    # the upper neighbour instead of interpolation: inf - inf has no value
    return float(np.quantile(values, level, method="higher")) if values else math.inf


def _log_ratio(value: float, bound: float) -> float:
    if not math.isfinite(value):
        return WORST_VIOLATION / 2
    return math.log(max(value, 1e-9) / bound)
