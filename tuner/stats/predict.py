"""Predictions from few requests, with which a search ranks its finalists.

Never for verdicts: they assume a shape of the latencies, or independent answers, and are
looked at after every trial. What is claimed in the end comes from `eprocess`, `shares` and
`paired`, on fresh requests.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import special

LEAST_SPREAD = 0.03
"""Floor on the standard deviation of log latencies: 3 %, the least noise that is believed."""

_EDGE = 1e-12  # keeps probabilities inside (0, 1), so that their logs can be summed


def late_probability(latencies: npt.ArrayLike, target: float) -> float:
    """Predict the probability that the next request takes longer than `target` seconds.

    `latencies`: shape (n,), seconds, about 20 of them; `inf` is a failed request. For
    ranking candidates while searching, never for verdicts.

    Served requests: the Student-t predictive distribution of the next log latency, with
    n - 1 degrees of freedom (at least 1), scale s sqrt(1 + 1/n) and s at least LEAST_SPREAD
    (Gelman et al., Bayesian Data Analysis, 2013, section 3.2). Failures count apart, as
    (failures + 1/2) / (n + 1) where there are any (Jeffreys) and 0 where there are none: a
    half failure on 20 requests would drown what the latencies say. In (0, 1), falling in
    `target`, and rising when all latencies are stretched.

    Raises ValueError without latencies, for latencies that are NaN or not positive, and for
    a target that is not positive.
    """
    seconds = np.asarray(latencies, dtype=np.float64).ravel()
    if seconds.size == 0 or not (seconds > 0).all() or not target > 0:
        raise ValueError("need positive latencies and a positive target")
    served = np.log(seconds[np.isfinite(seconds)])
    failures = seconds.size - served.size
    failed = (failures + 0.5) / (seconds.size + 1) if failures else 0.0
    slow = _slow(served, math.log(target)) if served.size else 1.0
    return float(np.clip(failed + (1 - failed) * slow, _EDGE, 1 - _EDGE))


def share_probability(successes: float, n: int, floor: float) -> float:
    """Return the posterior probability that a share lies above `floor`.

    Jeffreys prior: Beta(successes + 1/2, n - successes + 1/2) (Brown, Cai and DasGupta,
    2001). For ranking candidates while searching, never for verdicts. No share lies above a
    floor of 1, each one above a negative floor.

    Raises ValueError unless 0 <= successes <= n, and for a floor that is NaN.
    """
    if not 0 <= successes <= n or math.isnan(floor):
        raise ValueError(f"{successes!r} successes of {n!r} and a floor of {floor!r} cannot be")
    inside = min(max(floor, 0.0), 1.0)  # outside of [0, 1] the function is NaN
    return float(special.betaincc(successes + 0.5, n - successes + 0.5, inside))


def _slow(logs: npt.NDArray[np.float64], log_target: float) -> float:
    """Return the predictive probability that the next log latency exceeds the target's."""
    n = logs.size
    spread = max(float(logs.std(ddof=1)) if n > 1 else 0.0, LEAST_SPREAD)
    distance = (log_target - float(logs.mean())) / (spread * math.sqrt(1 + 1 / n))
    return float(special.stdtr(max(n - 1, 1), -distance))
