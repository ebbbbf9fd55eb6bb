"""Certificates for a tail quantile: sequential tests on the late rate.

"p99 <= target" says that fewer than 1 % of requests are late. Two e-processes bet against
the two ways of being wrong; a verdict falls when one of them has multiplied its stake by
1 / alpha. They may be looked at after every request.

What a PASS promises, and what not:

- Independent lateness (m = 0): the chance of a PASS at a late rate of 1 - q or more is at
  most alpha, however often and whenever one looks (Ville's inequality).
- m-dependent lateness for a stated m: each interleaved subsequence is independent, and its
  e-process valid; their average is an e-value at every n fixed beforehand and, after a stop
  at n, at n + m. The bar is tested at n itself; what this gives away is an edge of m
  requests, and simulations (bench/certificate.py) find no more than alpha.
- Longer bursts than the stated m: nothing. While no burst has been seen there is nothing in
  the data that could tell bursts from good service: at 1 % late in bursts of b, n requests
  hold no late one with probability 0.99**(n / b), which is 43 % at b = 4 when a PASS without
  any late request falls at m = 0 (n = 334). So no test on the late requests alone can keep
  alpha there, and `Certificate.bursts` states up to which burst length a PASS stands: at a
  late rate of 1 - q or more in bursts of b, the chance of a PASS that claims b is at most alpha.
- A late rate that changes: the bet is against a rate of 1 - q or more at every request. A PASS
  speaks of its window; what becomes late after it, or stalls more rarely, is not in it.
"""

from __future__ import annotations

import bisect
import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import special

from tuner.spec.values import Verdict
from tuner.stats.dependence import MAX_LAG, dependence, longest_chain

PASS_SHARES = {0.0: 0.4, 0.1: 0.2, 0.2: 0.2, 0.4: 0.2}
"""Where PASS bets: late rates as shares of 1 - q, with their masses."""

FAIL_RATES = {0.02: 0.3, 0.04: 0.3, 0.10: 0.2, 0.30: 0.1, 0.90: 0.1}
"""Where FAIL bets for p99, with masses; one late request makes 15.8, which is no FAIL."""

MIXTURE_COST = 1.1
"""Requests of the mixture relative to the SPRT that knows the rate; simulated 1.05-1.12."""

_CAP = 680.0  # keeps exp() finite, sums of subsequences included

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Bets:
    """Late rates that are bet on against `bound`, each with its part of the stake."""

    bound: float
    rates: Floats
    masses: Floats


@dataclass(frozen=True, slots=True)
class Certificate:
    """A verdict on a late rate, with its evidence.

    `n` is where the verdict fell, or the requests looked at; `late` counts among them.
    `e_pass` and `e_fail` are the largest e-values up to there (finite). `m` is the
    dependence allowed for, `clusters` the independent blocks n / (m + 1), `bursts` the
    longest burst of late requests for which a PASS stands (0 without a PASS).
    """

    verdict: Verdict
    n: int
    late: int
    e_pass: float
    e_fail: float
    m: int
    confidence: float
    clusters: float
    bursts: int = 0


def pass_bets(quantile: float) -> Bets:
    """Return the bets of PASS, on late rates below 1 - quantile."""
    shares, masses = np.array(list(PASS_SHARES.items())).T
    return Bets(1 - quantile, (1 - quantile) * shares, masses)


def fail_bets(quantile: float) -> Bets:
    """Return the bets of FAIL, on late rates above 1 - quantile.

    FAIL_RATES for p99; elsewhere the odds keep their ratio to the odds of the bound, so that
    every rate stays between the bound and 1, and at most 90 times the bound, so that one
    late request alone makes no FAIL.
    """
    for_p99, masses = np.array(list(FAIL_RATES.items())).T
    ratios = special.logit(for_p99) - special.logit(0.01)
    rates = special.expit(special.logit(1 - quantile) + ratios)
    return Bets(1 - quantile, np.minimum(rates, 90 * (1 - quantile)), masses)


def wealth(late: npt.ArrayLike, total: npt.ArrayLike, bets: Bets) -> Floats:
    """Return the e-value of bets after `late` of `total` requests; the two broadcast."""
    bad = np.asarray(late)[..., None]
    good = np.asarray(total)[..., None] - bad
    # The logarithm of a rate of 0 is kept finite, since 0 late requests times it is 0.
    when_late = np.maximum(special.xlogy(1, bets.rates / bets.bound), -1e30)
    when_timely = np.log1p(-bets.rates) - np.log1p(-bets.bound)
    grown = bad * when_late + good * when_timely
    product: Floats = np.exp(np.minimum(grown, _CAP)) @ bets.masses
    return product


def certify(
    late: npt.ArrayLike,
    quantile: float = 0.99,
    alpha: float = 0.05,
    m: int = 0,
    min_n_pass: int = 0,
) -> Certificate:
    """Judge whether fewer than 1 - quantile of requests are late.

    `late`: booleans of shape (n,), in time order. PASS when the e-process against a late
    rate >= 1 - quantile reaches 1 / alpha, FAIL when the one against <= 1 - quantile does;
    the first to fall decides, FAIL where both fall together. A PASS falls at the first
    n >= `min_n_pass` by which the bar was reached (Ville's inequality covers the running
    maximum). With `m` the e-values are averages over the m + 1 interleaved subsequences.
    A verdict taken at n does not change with later data. Time O(n).

    Raises ValueError for quantile or alpha outside (0, 1), a negative m, late not 1-d.
    Source: mixtures as in Wald (1945) and Robbins (1970); Ville (1939); Ramdas et al.,
    Game-theoretic statistics (2023); interleaving: Arnold, Henzi and Ziegel (2023).
    """
    seen = _checked(late, quantile, alpha, m)
    paths = _running(seen, pass_bets(quantile), m), _running(seen, fail_bets(quantile), m)
    verdict, n = _decide(paths[0] >= 1 / alpha, paths[1] >= 1 / alpha, min_n_pass)
    e_pass, e_fail = (float(path[n - 1]) if n else 1.0 for path in paths)
    return Certificate(
        verdict=verdict,
        n=n,
        late=int(seen[:n].sum()),
        e_pass=e_pass,
        e_fail=e_fail,
        m=m,
        confidence=1 - alpha,
        clusters=n / (m + 1),
        bursts=m + 1 if verdict == "PASS" else 0,
    )


def certify_observed(
    late: npt.ArrayLike,
    quantile: float = 0.99,
    alpha: float = 0.05,
    min_n_pass: int = 0,
    least_m: int = 0,
) -> Certificate:
    """Judge a late rate with the dependence that the late requests themselves show.

    m is the larger of `least_m` and `dependence(late)`, measured on all requests given, so
    that bursts seen late can still withdraw a PASS. Too few blocks n / (m + 1) cannot reach
    the bar and leave UNDECIDED; so does clustering that reaches the longest lag looked for,
    since it may reach farther. A FAIL must also stand when every run of consecutive late
    requests counts as one burst, significant or not: a few requests cannot tell. And since
    m is chosen by looking, the e-value at `least_m`, which was not, must have reached the bar
    as well. `bursts` is the longest burst for which the PASS stands.

    Promised, for independent lateness and for bursts of at most least_m + 1: false PASS and
    false FAIL at most alpha each, as in `certify`, since what is looked for only takes away. For
    longer bursts, only that no PASS rests on bursts which were seen and counted as
    independent; a PASS before the first burst is not excluded (see the module). Stating
    least_m = b - 1 excludes it at about b times the requests. Errors as `certify`.
    """
    observed = dependence(late)
    m = max(least_m, observed)
    found = certify(late, quantile, alpha, m, min_n_pass)
    if found.verdict == "FAIL":
        m = max(m, min(longest_chain(np.flatnonzero(late), 1), MAX_LAG))
        found = certify(late, quantile, alpha, m, min_n_pass)
    if found.verdict == "UNDECIDED":
        return found
    bets = (pass_bets if found.verdict == "PASS" else fail_bets)(quantile)
    stated = _running(np.asarray(late, dtype=np.bool_), bets, least_m)
    if stated[-1] < 1 / alpha or (found.verdict == "PASS" and observed >= MAX_LAG):
        return _undecided(found, late)
    return replace(found, bursts=_bursts(late, quantile, alpha, m)) if found.bursts else found


def sprt_bound(late_rate: float, quantile: float = 0.99, alpha: float = 0.05) -> float:
    """Return the fewest requests that a right verdict can take on average; inf at 1 - quantile.

    log(1 / alpha) / KL(late_rate || 1 - quantile): what Wald's SPRT (1945) needs, which knows
    the rate. Below 1 - quantile for a PASS, above it for a FAIL. Independent lateness. Raises
    ValueError for a late rate outside [0, 1], quantile or alpha outside (0, 1).
    """
    _check_levels(quantile, alpha)
    if not 0 <= late_rate <= 1:
        raise ValueError(f"late_rate must lie in [0, 1], not {late_rate!r}")
    growth = special.rel_entr(late_rate, 1 - quantile) + special.rel_entr(1 - late_rate, quantile)
    # 1 - 0.99 is not 0.01 to the last bit: at the bound the growth is rounding alone.
    return float(math.log(1 / alpha) / growth) if growth > 1e-15 else math.inf


def expected_requests(late_rate: float, quantile: float = 0.99, alpha: float = 0.05) -> float:
    """Return about how many requests a PASS takes at a true late rate; inf if it never falls.

    `sprt_bound` times MIXTURE_COST, and its errors.
    """
    bound = sprt_bound(late_rate, quantile, alpha)
    return MIXTURE_COST * bound if late_rate < 1 - quantile else math.inf


def requests_to_pass(late: int, n: int, quantile: float = 0.99, alpha: float = 0.05) -> int:
    """Return how many more requests a PASS takes, m = 0, if none of them is late.

    0 where it has been reached. For planning. Raises ValueError for impossible counts, or
    quantile or alpha outside (0, 1).
    """
    _check_levels(quantile, alpha)
    if not 0 <= late <= n:
        raise ValueError(f"{late!r} late of {n!r} cannot be")
    bets, enough = pass_bets(quantile), 1
    while wealth(late, n + enough, bets) < 1 / alpha:
        enough *= 2
    return bisect.bisect_left(
        range(enough), 1 / alpha, key=lambda more: float(wealth(late, n + more, bets))
    )


def pass_probability(
    late_so_far: int,
    n_so_far: int,
    n_more: int,
    quantile: float,
    alpha: float,
    rng: np.random.Generator,
    draws: int = 200,
    seen_before: tuple[int, int] = (0, 0),
) -> float:
    """Predict the chance that PASS falls within `n_more` further requests.

    Late rates are drawn from the Jeffreys posterior Beta(late + 1/2, n - late + 1/2), futures
    from each, and the e-processes (m = 0) continued from the counts; a FAIL first counts
    against. `seen_before` (late, n) are requests of the same candidate that inform the rate
    but are no part of the evidence. For dropping a finalist, not for a verdict. Raises
    ValueError for impossible counts, or quantile or alpha outside (0, 1).
    """
    _check_levels(quantile, alpha)
    if not 0 <= late_so_far <= n_so_far or n_more < 0 or draws < 1:
        raise ValueError("need 0 <= late_so_far <= n_so_far, n_more >= 0 and draws >= 1")
    late_all, n_all = late_so_far + seen_before[0], n_so_far + seen_before[1]
    rate = rng.beta(late_all + 0.5, n_all - late_all + 0.5, size=(draws, 1))
    future = rng.random((draws, n_more)) < rate
    late = late_so_far + np.hstack([np.zeros((draws, 1), np.int64), future.cumsum(axis=1)])
    total = n_so_far + np.arange(n_more + 1)
    passed = _first(wealth(late, total, pass_bets(quantile)) >= 1 / alpha)
    failed = _first(wealth(late, total, fail_bets(quantile)) >= 1 / alpha)
    return float(np.mean(passed < failed))


def _path(late: Bools, bets: Bets, m: int) -> Floats:
    """Return the average e-value of the m + 1 interleaved subsequences after each request."""
    stride = m + 1
    rows = -(-late.size // stride)
    grid = np.zeros(rows * stride, dtype=np.int64)
    grid[: late.size] = late
    counts = grid.reshape(rows, stride).cumsum(axis=0)
    now = wealth(counts, np.arange(1, rows + 1)[:, None], bets)
    # Columns left of the request have been updated in this row, those right of it not yet.
    before = np.vstack([np.ones((1, stride)), now])[:rows]
    pending = before[:, ::-1].cumsum(axis=1)[:, ::-1]
    pending = np.hstack([pending[:, 1:], np.zeros((rows, 1))])
    path: Floats = ((now.cumsum(axis=1) + pending) / stride).ravel()[: late.size]
    return path


def _running(late: Bools, bets: Bets, m: int) -> Floats:
    """Return the largest e-value up to each request."""
    largest: Floats = np.maximum.accumulate(_path(late, bets, m))
    return largest


def _undecided(found: Certificate, late: npt.ArrayLike) -> Certificate:
    """Return what is left of a verdict that does not stand, after all requests."""
    n, count = np.size(late), int(np.count_nonzero(late))
    return replace(
        found, verdict="UNDECIDED", n=n, late=count, clusters=n / (found.m + 1), bursts=0
    )


def _decide(passed: Bools, failed: Bools, min_n_pass: int) -> tuple[Verdict, int]:
    """Return the first verdict and the n at which it fell, or UNDECIDED and all n."""
    n = passed.size
    first_pass = max(int(_first(passed)) + 1, min_n_pass)
    first_fail = int(_first(failed)) + 1
    if min(first_pass, first_fail) > n:
        return "UNDECIDED", n
    return ("FAIL", first_fail) if first_fail <= first_pass else ("PASS", first_pass)


def _first(reached: Bools) -> npt.NDArray[np.int64]:
    """Return the first true index along the last axis, and its length where there is none."""
    if reached.shape[-1] == 0:
        return np.zeros(reached.shape[:-1], dtype=np.int64)
    first: npt.NDArray[np.int64] = reached.argmax(axis=-1)
    return np.where(reached.any(axis=-1), first, np.int64(reached.shape[-1]))


def _bursts(late: npt.ArrayLike, quantile: float, alpha: float, m: int) -> int:
    """Return the longest burst, up to MAX_LAG + 1, for which a PASS at m still stands."""
    while m < MAX_LAG and certify(late, quantile, alpha, m + 1).verdict == "PASS":
        m += 1
    return m + 1


def _checked(late: npt.ArrayLike, quantile: float, alpha: float, m: int) -> Bools:
    _check_levels(quantile, alpha)
    seen = np.asarray(late, dtype=np.bool_)
    if seen.ndim != 1:
        raise ValueError(f"late must be one-dimensional, not of shape {seen.shape}")
    if m < 0:
        raise ValueError(f"m must not be negative, not {m!r}")
    return seen


def _check_levels(quantile: float, alpha: float) -> None:
    if not (0 < quantile < 1 and 0 < alpha < 1):
        raise ValueError("quantile and alpha must lie strictly between 0 and 1")
