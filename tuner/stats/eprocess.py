"""Certificates for a tail quantile: sequential tests on the late rate.

"p99 <= target" says that fewer than 1 % of requests are late. Two e-processes bet against
the two ways of being wrong; a verdict stands while one of them has multiplied its stake by
1 / alpha or more. They may be looked at after every request, and speak of all requests so far.

What a PASS promises, and what not:

- The rate is the mean, over the requests that were sent, of the chance that each had of being
  late: these templates in the mix in which they were asked, these engine starts, this window.
  Chances may differ from request to request. Of fixed bets the wealth is at most a martingale
  while the mean of the chances so far lies on the wrong side (a product of numbers with a mean of
  at most 1 is at most 1), so a false PASS has a chance of at most alpha, however often and
  whenever one looks (Ville's inequality). It is the wealth now that counts, not the largest
  that there was: what became late afterwards counts too.
- Requests that were in flight together may be late together. Within a strand
  (`tuner.stats.strands`) none overlap; its wealth is a valid e-process, and their average an
  e-value at every n fixed beforehand. After a stop that depends on all of them what is given
  away is an edge of the requests in flight, and simulations find no more than alpha.
- Longer bursts than strands separate: nothing. While no burst has been seen there is nothing in
  the data that could tell bursts from good service: at 1 % late in bursts of b, n requests
  hold no late one with probability 0.99**(n / b), which is 43 % at b = 4 when a PASS without
  any late request falls in one strand (n = 334). So no test on the late requests alone can keep
  alpha there, and `Certificate.bursts` states up to which burst length a PASS stands: at a
  late rate of 1 - q or more in bursts of b, the chance of a PASS that claims b is at most alpha.
- What becomes late after the window, or stalls more rarely than once in it, is not in it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from tuner.spec.values import Verdict
from tuner.stats.bernoulli import odds, share_at
from tuner.stats.dependence import MAX_LAG, dependence, longest_chain
from tuner.stats.strands import Strands, single

PASS_SHARES = {0.0: 0.4, 0.1: 0.2, 0.2: 0.2, 0.4: 0.2}
"""The late rates that PASS bets on, as shares of 1 - q, each with its part of the stake."""

FAIL_RATES = {0.02: 0.3, 0.04: 0.3, 0.10: 0.2, 0.30: 0.1, 0.90: 0.1}
"""Where FAIL bets for p99, with masses; one late request makes 15.8, which is no FAIL."""

_CAP = 680.0  # keeps exp() finite, sums of subsequences included

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Bets:
    """Late rates to bet on against `bound`, each with its part of the stake."""

    bound: float
    rates: Floats
    masses: Floats


@dataclass(frozen=True, slots=True)
class Certificate:
    """A verdict on a late rate, with its evidence.

    `late` of `n` requests were late. `e_pass` and `e_fail` are the e-values after all of them
    (finite). `m` is the dependence that is allowed for: a request may be late together with the
    next `m`. `bursts` is the longest burst of late requests for which a PASS stands (0 without a
    PASS).
    """

    verdict: Verdict
    n: int
    late: int
    e_pass: float
    e_fail: float
    m: int
    confidence: float
    bursts: int = 0


def pass_bets(quantile: float) -> Bets:
    """Return the bets of PASS, on late rates below 1 - quantile."""
    shares, masses = np.array(list(PASS_SHARES.items())).T
    return Bets(1 - quantile, (1 - quantile) * shares, masses)


def fail_bets(quantile: float) -> Bets:
    """Return the bets of FAIL, on late rates above 1 - quantile.

    For p99 they are FAIL_RATES. For other quantiles their odds keep the ratio to the odds of the
    bound, so that every rate stays between the bound and 1. No rate is more than 90 times the
    bound, so that one late request alone makes no FAIL.
    """
    for_p99, masses = np.array(list(FAIL_RATES.items())).T
    rates = share_at(odds(for_p99) / odds(0.01) * odds(1 - quantile))
    return Bets(1 - quantile, np.minimum(rates, 90 * (1 - quantile)), masses)


def wealth(late: npt.ArrayLike, total: npt.ArrayLike, bets: Bets) -> Floats:
    """Return the e-value of bets after `late` of `total` requests; the two broadcast."""
    bad = np.asarray(late)[..., None]
    good = np.asarray(total)[..., None] - bad
    # The logarithm of a rate of 0 is kept finite, since 0 late requests times it is 0.
    with np.errstate(divide="ignore"):
        when_late = np.maximum(np.log(bets.rates / bets.bound), -1e30)
    when_timely = np.log1p(-bets.rates) - np.log1p(-bets.bound)
    grown = bad * when_late + good * when_timely
    product: Floats = np.exp(np.minimum(grown, _CAP)) @ bets.masses
    return product


def certify(
    late: npt.ArrayLike,
    quantile: float = 0.99,
    alpha: float = 0.05,
    strands: Strands | None = None,
) -> Certificate:
    """Judge whether fewer than 1 - quantile of requests are late, by all that were sent.

    `late`: booleans of shape (n,), in the order of sending. PASS when the e-value against a late
    rate >= 1 - quantile is 1 / alpha or more, FAIL when the one against <= 1 - quantile is. The
    e-values are averages over the parts of `strands`, by default one. Time O(n).

    Raises ValueError for quantile or alpha outside (0, 1), late not 1-d or not as long as
    `strands`. Source: mixtures as in Wald (1945) and Robbins (1970); Ville (1939); Ramdas et
    al., Game-theoretic statistics (2023); interleaving: Arnold, Henzi and Ziegel (2023).
    """
    seen, strands = _checked(late, quantile, alpha, strands)
    e_pass = evidence(seen, pass_bets(quantile), strands)
    e_fail = evidence(seen, fail_bets(quantile), strands)
    verdict: Verdict = "UNDECIDED"
    if max(e_pass, e_fail) >= 1 / alpha:
        verdict = "FAIL" if e_fail > e_pass else "PASS"
    return Certificate(
        verdict=verdict,
        n=seen.size,
        late=int(seen.sum()),
        e_pass=e_pass,
        e_fail=e_fail,
        m=strands.m,
        confidence=1 - alpha,
        bursts=strands.m + 1 if verdict == "PASS" else 0,
    )


def certify_observed(
    late: npt.ArrayLike,
    quantile: float = 0.99,
    alpha: float = 0.05,
    strands: Strands | None = None,
) -> Certificate:
    """Judge a late rate with the dependence that the late requests themselves show.

    `strands` divides requests by what is known beforehand; `observed` divides them further by how
    far lateness hangs together. The verdict stays UNDECIDED where a part has too few requests,
    and where clustering reaches the longest lag that can be found, since it may reach farther.
    A FAIL must also stand when every run of consecutive late requests counts as one burst, since
    a few requests cannot tell. The finer parts are chosen by looking at the data, so the e-value
    over the given strands has to reach the bar as well. `bursts` is the longest burst for which
    the PASS stands.

    Promised for dependence within what `strands` separates: false PASS and false FAIL at most
    alpha each, as in `certify`, since what is looked for only takes away. For longer bursts,
    only that no PASS rests on bursts which were seen and counted as independent; a PASS before
    the first burst is not excluded (see the module). Errors as `certify`.
    """
    seen, strands = _checked(late, quantile, alpha, strands)
    divided = observed(seen, strands)
    found = certify(seen, quantile, alpha, divided)
    if found.verdict == "FAIL":
        longest = longest_chain(np.flatnonzero(strands.strand_by_strand(seen)), 1)
        divided = strands.divided(max(min(longest, MAX_LAG) + 1, divided.apart))
        found = certify(seen, quantile, alpha, divided)
    if found.verdict == "PASS":
        return replace(found, bursts=_bursts(seen, quantile, alpha, divided))
    return found


def observed(late: Bools, strands: Strands) -> Strands:
    """Return strands divided as far as the late requests of each are seen to hang together."""
    reach = dependence(strands.strand_by_strand(late))
    return replace(strands, apart=reach + 1, closed=reach < MAX_LAG)


def evidence(late: Bools, bets: Bets, strands: Strands) -> float:
    """Return the e-value of bets after all requests, averaged over the parts of strands.

    Where strands were divided further, the result is the smaller of both e-values, before and
    after. For bets on a low rate it is 0 where lateness may hang together for longer than can be
    found.
    """
    if not strands.closed and bets.rates.max() < bets.bound:
        return 0.0
    return min(
        _averaged(late, bets, s) for s in {strands.apart: strands, 1: strands.divided(1)}.values()
    )


def _averaged(late: Bools, bets: Bets, strands: Strands) -> float:
    parts, count = strands.parts(), strands.m + 1
    total = np.bincount(parts, minlength=count)
    return float(wealth(np.bincount(parts, weights=late, minlength=count), total, bets).mean())


def _bursts(late: Bools, quantile: float, alpha: float, strands: Strands) -> int:
    """Return the longest burst, up to MAX_LAG + 1, for which a PASS still stands."""
    apart = strands.apart
    while strands.count * apart <= MAX_LAG:
        if certify(late, quantile, alpha, strands.divided(apart + 1)).verdict != "PASS":
            break
        apart += 1
    return strands.count * apart


def _checked(
    late: npt.ArrayLike, quantile: float, alpha: float, strands: Strands | None
) -> tuple[Bools, Strands]:
    check_levels(quantile, alpha)
    seen = np.asarray(late, dtype=np.bool_)
    if seen.ndim != 1:
        raise ValueError(f"late must be one-dimensional, not of shape {seen.shape}")
    strands = strands or single(seen.size)
    if strands.index.shape != seen.shape:
        raise ValueError(f"{strands.index.size} strands must fit {seen.size} requests")
    return seen, strands


def check_levels(quantile: float, alpha: float) -> None:
    """Raise ValueError for a quantile or an alpha outside (0, 1)."""
    if not (0 < quantile < 1 and 0 < alpha < 1):
        raise ValueError("quantile and alpha must lie strictly between 0 and 1")
