"""Say what the best does better than the baseline, beyond what chance would show of equals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tuner.evaluate.estimates import tokens_per_s
from tuner.evaluate.lateness import by_block
from tuner.evaluate.measurement import Measurement
from tuner.search.result import FewerLate, Gain
from tuner.spec.study import Study
from tuner.spec.values import Metric, Sample
from tuner.stats.gains import (
    Estimate,
    Sides,
    fewer_late,
    mean_and_median,
    quantile_log_ratio,
)
from tuner.stats.noise import ALLOWANCE, LEAST_CHANGE, beyond_noise, level_ratio
from tuner.stats.quantiles import Bound
from tuner.workflow.measuring.pairs import latencies

MEAN_PART, OTHER_PART = 0.6, 0.1
"""Parts of the error that the mean's claim may spend, and each of the other four (median, share
late, quantile, objective): together they spend all of it. The mean shows most; where the best
failed a request there is none, and the median has its part."""


@dataclass(frozen=True, slots=True)
class Gains:
    """What may be claimed of the best against the baseline; None is not claimed.

    `latency` is the gain in the first target's quantile, `mean` and `median` those in the same
    metric, `late` that in the share of requests that miss the target. `noise_floor` is the
    |log ratio| of means that like sides reach. `answers` is a difference of right answers whose
    lower bound lies above 0, `objective` whether what the study asks for is better.
    """

    latency: Gain | None = None
    mean: Gain | None = None
    median: Gain | None = None
    late: FewerLate | None = None
    noise_floor: float | None = None
    answers: Bound | None = None
    objective: bool = False

    @property
    def any(self) -> bool:
        """Tell whether the best is better at anything."""
        latency = self.latency or self.mean or self.median or self.late
        return bool(latency or self.answers or self.objective)


def gains(
    study: Study, best: Measurement | None, baseline: Measurement | None, alpha: float
) -> Gains:
    """Return what the best is shown to do better than the baseline.

    `alpha` is the error of all claims together. A claim on latency takes two blocks a side. Where
    the sides did not take turns, a difference has to exceed ALLOWANCE as well, and nothing is
    claimed of late requests.
    """
    if best is None or baseline is None or best.candidate == baseline.candidate:
        return Gains()
    claim = _Claim(study, best, baseline, alpha)
    metric, q = study.slos[0].metric, study.slos[0].quantile
    mean, median = claim.mean_and_median(metric)
    difference = best.guard.difference
    return Gains(
        latency=claim.quantile(metric, q),
        mean=None if claim.failed else claim.gain(mean, metric, None, claim.errors[0]),
        median=claim.gain(median, metric, 0.5, claim.errors[1]),
        late=claim.late(),
        noise_floor=claim.floor(mean) if mean else None,
        answers=difference if (difference.low or 0.0) > 0 else None,
        objective=claim.objective(),
    )


@dataclass(frozen=True, slots=True)
class _Claim:
    """Two measurements that are compared, and the error of all claims together."""

    study: Study
    best: Measurement
    baseline: Measurement
    alpha: float

    @property
    def failed(self) -> bool:
        """Tell whether a request of the best failed: then it has no mean."""
        return any(self.best.failures.values())

    @property
    def errors(self) -> tuple[float, float]:
        """Return the errors of the claims on mean and median."""
        return MEAN_PART * self.alpha, (MEAN_PART if self.failed else OTHER_PART) * self.alpha

    @property
    def took_turns(self) -> bool:
        """Tell whether the baseline had a block before the best one's last."""
        first = min(((s.engine_start, s.block) for s in self.baseline.samples), default=(0, 0))
        return first < max(((s.engine_start, s.block) for s in self.best.samples), default=(0, 0))

    @property
    def allowance(self) -> float:
        """Return the |log ratio| to allow for where the sides did not take turns."""
        return 0.0 if self.took_turns else -math.log1p(-ALLOWANCE)

    def floor(self, found: Estimate) -> float:
        """Return the |log ratio| that equal sides may reach."""
        return max(found.floor, LEAST_CHANGE) + self.allowance

    def gain(
        self, found: Estimate | None, metric: Metric, q: float | None, error: float
    ) -> Gain | None:
        """Return a ratio as a gain, None where it may not be claimed."""
        if found is None or beyond_noise(found.ratio, self.floor(found)) != "lower":
            return None
        return Gain(metric, q, found.ratio, 1 - 2 * error)

    def mean_and_median(self, metric: Metric) -> tuple[Estimate | None, Estimate | None]:
        """Return the log ratios of geometric means and of medians."""
        paired = self._paired(metric)
        return mean_and_median(*paired, self.errors) if paired else (None, None)

    def quantile(self, metric: Metric, q: float) -> Gain | None:
        """Return the gain in a quantile of all requests."""
        error, paired = OTHER_PART * self.alpha, self._paired(metric)
        found = quantile_log_ratio(*paired, q, error) if paired else None
        return self.gain(found, metric, q, error)

    def late(self) -> FewerLate | None:
        """Return the claim that fewer requests miss the first target, None where there is none."""
        slo, error = self.study.slos[0], OTHER_PART * self.alpha
        paired = self._paired(slo.metric)
        if paired is None or not self.took_turns:
            return None
        found = fewer_late(paired[0], paired[1] > slo.max_s, error)
        return FewerLate(slo, found.difference, 1 - 2 * error) if found else None

    def objective(self) -> bool:
        """Tell whether the study's objective is better, beyond noise."""
        match self.study.objective:
            case "e2e_p99":
                return self.quantile("e2e", 0.99) is not None
            case "ttft_p99":
                return self.quantile("ttft", 0.99) is not None
            case "throughput":
                return self._faster()
            case "memory":
                return self._smaller()
            case _:
                return False  # right answers have a bound of their own

    def _paired(self, metric: Metric) -> tuple[Sides, npt.NDArray[np.float64]] | None:
        scheduled = self.study.workload.load.open_loop
        return latencies(
            self.best.samples, self.baseline.samples, metric,
            scheduled=(scheduled, scheduled), interleaved=self.took_turns,
        )  # fmt: skip

    def _faster(self) -> bool:
        ours, theirs = _rates(self.best.samples), _rates(self.baseline.samples)
        if ours is None or theirs is None:
            return False
        ratio = level_ratio(ours, theirs, 1 - 2 * OTHER_PART * self.alpha)
        return beyond_noise(ratio, LEAST_CHANGE + self.allowance) == "higher"

    def _smaller(self) -> bool:
        ours, theirs = self.best.memory_bytes, self.baseline.memory_bytes
        return bool(ours and theirs and ours < (1 - LEAST_CHANGE) * theirs)


def _rates(samples: Sequence[Sample]) -> list[float] | None:
    """Return the output tokens a second of each block, None where one is unknown."""
    found = [tokens_per_s(block) for block in by_block(samples)]
    known = [rate for rate in found if rate is not None]
    return known if len(known) == len(found) else None
