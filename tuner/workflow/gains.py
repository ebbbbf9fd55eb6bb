"""What the best is better at than the baseline, beyond what chance makes of equals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tuner.report.lateness import by_block
from tuner.report.measurement import Measurement, blocks
from tuner.report.result import Gain
from tuner.search.trial import tokens_per_s
from tuner.spec.study import Study
from tuner.spec.values import Metric, Sample
from tuner.stats.noise import (
    Statistic,
    beyond_noise,
    floor_of_blocks,
    level_ratio,
    ratio_interval,
)
from tuner.stats.quantiles import Bound, quantile

LEAST_GAIN = 0.03
"""What differs by less than this share is called equal, as in `stats.noise.noise_floor`."""


@dataclass(frozen=True, slots=True)
class Gains:
    """What may be claimed of the best beside the baseline.

    `latency` is the gain in the first target's quantile, `median` that in the median of the same
    metric; each None below its noise floor. `answers` is a difference of right answers whose
    lower bound lies above 0, `objective` whether what the study asks for is better.
    """

    latency: Gain | None = None
    median: Gain | None = None
    noise_floor: float | None = None
    answers: Bound | None = None
    objective: bool = False

    @property
    def any(self) -> bool:
        """Tell whether the best is better at anything."""
        return bool(self.latency or self.median or self.answers or self.objective)


def gains(
    study: Study, best: Measurement | None, baseline: Measurement | None, alpha: float, moved: bool
) -> Gains:
    """Return what the best is shown to be better at than the baseline.

    `alpha` is the error that the best may spend. Where the pace of the machine has `moved`, its
    latencies are compared with the baseline's nearest blocks alone.
    """
    if baseline is None:
        return Gains()
    slo = study.slos[0]
    floor = noise_floor(study, baseline, slo.metric, slo.quantile)
    if best is None or best.candidate == baseline.candidate:
        return Gains(noise_floor=floor)
    beside = nearest(best.samples, baseline.samples) if moved else baseline.samples
    claim = _Claim(study, best, baseline, beside, 1 - alpha)
    difference = best.guard.difference
    return Gains(
        latency=claim.gain(slo.metric, slo.quantile, floor),
        median=claim.gain(slo.metric, 0.5),
        noise_floor=floor,
        answers=difference if (difference.low or 0.0) > 0 else None,
        objective=claim.objective(),
    )


def noise_floor(study: Study, baseline: Measurement, metric: Metric, q: float) -> float | None:
    """Return the |log ratio| of a quantile that two runs like the baseline's reach by chance."""
    rng = np.random.default_rng(study.seed)
    return floor_of_blocks(blocks(study, metric, baseline.samples), _at(q), baseline.n, rng)


def nearest(ours: Sequence[Sample], theirs: Sequence[Sample]) -> list[Sample]:
    """Return their samples from the blocks next to each of ours, of at least two blocks.

    Blocks take turns in the proof and are numbered in time; one between two of theirs has both
    as its nearest.
    """
    mine, others = {s.block for s in ours}, {s.block for s in theirs}

    def gap(block: int, among: set[int]) -> int:
        return min(abs(block - other) for other in among)

    near = {t for m in mine for t in others if abs(t - m) == gap(m, others)}
    near |= set(sorted(others, key=lambda t: gap(t, mine))[:2])
    return [s for s in theirs if s.block in near]


@dataclass(frozen=True, slots=True)
class _Claim:
    """Two measurements that are compared, `beside` being the baseline's samples that count."""

    study: Study
    best: Measurement
    baseline: Measurement
    beside: Sequence[Sample]
    confidence: float

    def gain(self, metric: Metric, q: float, known: float | None = None) -> Gain | None:
        """Return the gain in a quantile, None within the noise or with fewer than two blocks.

        `known` is its noise floor where that was computed already.
        """
        floor = known or noise_floor(self.study, self.baseline, metric, q)
        ours = blocks(self.study, metric, self.best.samples)
        theirs = blocks(self.study, metric, self.beside)
        if floor is None or len(ours) < 2 or not theirs:
            return None
        rng = np.random.default_rng(self.study.seed)
        ratio = ratio_interval(ours, theirs, _at(q), self.confidence, rng)
        if beyond_noise(ratio, floor) != "lower":
            return None
        return Gain(metric, q, ratio, self.confidence)

    def objective(self) -> bool:
        """Tell whether what the study asks for is better, beyond noise."""
        match self.study.objective:
            case "e2e_p99":
                return self.gain("e2e", 0.99) is not None
            case "ttft_p99":
                return self.gain("ttft", 0.99) is not None
            case "throughput":
                return self._faster()
            case "memory":
                return self._smaller()
            case _:
                return False  # right answers have a bound of their own

    def _faster(self) -> bool:
        ours, theirs = _rates(self.best.samples), _rates(self.beside)
        if ours is None or theirs is None:
            return False
        return beyond_noise(level_ratio(ours, theirs, self.confidence), LEAST_GAIN) == "higher"

    def _smaller(self) -> bool:
        ours, theirs = self.best.memory_bytes, self.baseline.memory_bytes
        return bool(ours and theirs and ours < (1 - LEAST_GAIN) * theirs)


def _at(q: float) -> Statistic:
    return lambda values: quantile(values, q)


def _rates(samples: Sequence[Sample]) -> list[float] | None:
    """Return the output tokens a second of each block, None where one is unknown."""
    found = [tokens_per_s(block) for block in by_block(samples)]
    known = [rate for rate in found if rate is not None]
    return known if len(known) == len(found) else None
