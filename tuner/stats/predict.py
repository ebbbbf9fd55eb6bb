"""Predict from few requests, for ranking the finalists of a search.

Never for verdicts: predictions assume a shape of the latencies, or independent answers, and are
looked at after every trial. Verdicts come from `eprocess`, `shares` and `paired`, on fresh
requests.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import scipy

LEAST_SPREAD = 0.03
"""Floor on the standard deviation of log latencies: 3 %, the least noise that is believed."""

PACE = 0.05
"""Standard deviation of the logarithm of a machine's pace from a look to the proof."""

PROOF, BEARS = 10, 3
"""The late requests that a proof of PROOF / (1 - quantile) requests can bear (`eprocess`)."""

Floats = npt.NDArray[np.float64]

_PARTS = (np.arange(8) + 0.5) / 8  # the middles of equally likely parts of a posterior


def late_rates(
    latencies: npt.ArrayLike, target: float, lengths: npt.ArrayLike | None = None
) -> Floats:
    """Return equally likely rates at which further requests take longer than `target` seconds.

    `latencies`: shape (n,), seconds, about 20 of them; `inf` is a failed request. `lengths`:
    shape (n,), what each would take by the length of its answer alone, to any scale.

    A served request takes its length's time, times one lognormal noise; the lengths count only
    where less noise is left with them. What other lengths there are follows from those seen by a
    kernel of Scott's width (Multivariate Density Estimation, 1992). Mean and variance of the noise
    have their usual posterior (Gelman et al., Bayesian Data Analysis, 2013, section 3.2), the
    latter at least LEAST_SPREAD squared, and the mean moves by PACE until the proof.
    Failures count apart, as (failures + 1/2) / (n + 1) where there are any (Jeffreys) and 0
    where there are none: a half failure on 20 requests would drown what the latencies say.

    Raises ValueError without latencies, for latencies or lengths that are NaN or not positive,
    and for a target that is not positive.
    """
    seconds = np.asarray(latencies, dtype=np.float64).ravel()
    scale = np.ones_like(seconds) if lengths is None else np.asarray(lengths, dtype=np.float64)
    if seconds.size == 0 or not ((seconds > 0) & (scale > 0)).all() or not target > 0:
        raise ValueError("need positive latencies and lengths and a positive target")
    served = np.isfinite(seconds)
    failures = int((~served).sum())
    failed = (failures + 0.5) / (seconds.size + 1) if failures else 0.0
    slow = _slow(np.log(seconds[served]), np.log(scale[served]), math.log(target))
    return failed + (1 - failed) * slow


def proof_chance(rates: npt.ArrayLike, allowed: float) -> float:
    """Return the chance of a proof that less than a share `allowed` of requests is late.

    `rates` are equally likely late rates. At each of them the late requests of a proof are
    Poisson. For ranking candidates while searching, never for verdicts.
    """
    expected = PROOF / allowed * np.asarray(rates, dtype=np.float64)
    return float(scipy.special.pdtr(BEARS, expected).mean())


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
    return float(scipy.special.betaincc(successes + 0.5, n - successes + 0.5, inside))


def _slow(logs: Floats, lengths: Floats, log_target: float) -> Floats:
    """Return equally likely shares of served requests that are slower than the target."""
    n = logs.size
    if not n:
        return np.ones(1)
    centres, kernel, spread, free = _noise(logs, lengths)
    spreads = spread * np.sqrt(free / scipy.special.chdtri(free, _PARTS))
    means = np.outer(scipy.special.ndtri(_PARTS), np.hypot(spreads / math.sqrt(n), PACE))
    gaps = log_target - centres[:, None, None] - means
    late = scipy.special.ndtr(-gaps / np.hypot(spreads, kernel)).mean(axis=0)
    return np.asarray(late.ravel(), dtype=np.float64)


def _noise(logs: Floats, lengths: Floats) -> tuple[Floats, float, float, int]:
    """Return the centres of log latencies, their kernel's width, the noise, its freedom.

    The lengths are left out where no less noise remains with them.
    """
    n = logs.size
    spread = float(logs.std(ddof=1)) if n > 1 else 0.0
    # a time to first token and a time per token were fitted
    left = float((logs - lengths).std(ddof=2)) if n > 2 else math.inf
    if left >= spread:
        return np.full(1, logs.mean()), 0.0, max(spread, LEAST_SPREAD), max(n - 1, 1)
    centres = lengths + (logs - lengths).mean()
    return centres, float(lengths.std(ddof=1)) * n**-0.2, max(left, LEAST_SPREAD), n - 2
