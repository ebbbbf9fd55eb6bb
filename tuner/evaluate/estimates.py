"""What samples say at a glance: latencies, who was late, shares of good answers, rates.

Search trials and measurements take their figures from here alike.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby

import numpy as np
import numpy.typing as npt

from tuner.guard.verdict import is_correct, is_valid
from tuner.spec.study import Study
from tuner.spec.values import Metric, Sample, Slo


def latency_s(study: Study, metric: Metric, sample: Sample) -> float:
    """Return a latency in seconds, from the plan in open loop; inf if failed, NaN if unknown."""
    return sample.latency_s(metric, scheduled=study.workload.load.open_loop)


def latencies(study: Study, metric: Metric, samples: Sequence[Sample]) -> npt.NDArray[np.float64]:
    """Return the latency of each sample in seconds, as `latency_s` does."""
    return np.array([latency_s(study, metric, s) for s in samples], dtype=np.float64)


def worst_latencies(study: Study, metric: Metric, samples: Sequence[Sample]) -> list[float]:
    """Return latencies in seconds, inf for those that failed and for those that are unknown."""
    found = (latency_s(study, metric, s) for s in samples)
    return [math.inf if math.isnan(seconds) else seconds for seconds in found]


def is_late(study: Study, slo: Slo, sample: Sample) -> bool | None:
    """Tell whether a request missed a target, None where its latency is unknown."""
    seconds = latency_s(study, slo.metric, sample)
    return None if math.isnan(seconds) else seconds > slo.max_s


def shares(samples: Sequence[Sample]) -> tuple[float, float]:
    """Return (valid share, correct share) of classified samples; 0 for none."""
    if not samples:
        return 0.0, 0.0
    n = len(samples)
    return sum(map(is_valid, samples)) / n, sum(map(is_correct, samples)) / n


def tokens_per_s(samples: Sequence[Sample]) -> float | None:
    """Return output tokens a second while requests were in flight, None where one is unknown."""
    answered = served(samples)
    told = [s.output_tokens for s in answered if s.output_tokens is not None]
    if len(told) < len(answered):
        return None
    busy_s = _busy_s(answered)
    return sum(told) / busy_s if busy_s > 0 else 0.0


def requests_per_s(samples: Sequence[Sample]) -> float:
    """Return served requests a second while requests were in flight."""
    answered = served(samples)
    busy_s = _busy_s(answered)
    return len(answered) / busy_s if busy_s > 0 else 0.0


def served(samples: Sequence[Sample]) -> list[Sample]:
    """Return the samples of requests that were served and brought output."""
    return [s for s in samples if s.outcome == "ok" and s.last_ns is not None]


def _busy_s(answered: Sequence[Sample]) -> float:
    """Return the seconds in which requests were in flight, without the pauses between starts."""
    busy_s = 0.0
    for _, group in groupby(answered, key=lambda s: s.engine_start):
        block = list(group)
        busy_s += (max(s.last_ns or 0 for s in block) - min(s.sent_ns for s in block)) / 1e9
    return busy_s
