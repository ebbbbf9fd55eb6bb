"""Certificates from counts alone: how many were late, where nobody knows which, nor in what order.

A server's own counters tell so. Requests that were in flight together may be late together; where
no more than `together` of them are, some division into that many strands has no two of one strand
in flight together (`tuner.stats.strands`), and the average of the strands' e-values is an e-value.
Which division it is need not be known: of each bet, the geometric mean of the strands' wealth is
at most their average, and it is the wealth of all requests to the power 1 / together. So what
`evidence` returns is at most an e-value, and an error of at most alpha is kept, at every n
(Ville's inequality), while lateness hangs together no farther than that.
"""

from __future__ import annotations

from collections.abc import Sequence

from tuner.spec.values import Verdict
from tuner.stats.eprocess import Bets, Certificate, check_levels, fail_bets, pass_bets, wealth
from tuner.stats.quantiles import Bound, interval_bets


def evidence(late: float, n: float, bets: Bets, together: int = 1) -> float:
    """Return at most the e-value of bets after `late` of `n` requests, `together` in flight.

    Source: the inequality of arithmetic and geometric means; see the module.
    """
    return float(wealth(late / together, n / together, bets))


def certify_counts(
    late: tuple[int, int], n: int, quantile: float, alpha: float, together: int = 1
) -> Certificate:
    """Judge a late rate of which only the least and the most that it can be are known.

    `late`: (surely late, perhaps late) of `n` requests. What may have been late counts as late
    against a PASS and as timely against a FAIL. Errors as the module says; raises ValueError for
    counts that cannot be, and for quantile or alpha outside (0, 1).
    """
    check_levels(quantile, alpha)
    least, most = late
    if not 0 <= least <= most <= n or together < 1:
        raise ValueError(f"{late!r} late of {n!r}, {together!r} together, cannot be")
    e_pass = evidence(most, n, pass_bets(quantile), together)
    e_fail = evidence(least, n, fail_bets(quantile), together)
    verdict: Verdict = "UNDECIDED"
    if max(e_pass, e_fail) >= 1 / alpha:
        verdict = "FAIL" if e_fail > e_pass else "PASS"
    bursts = together if verdict == "PASS" else 0
    return Certificate(verdict, n, least, e_pass, e_fail, together - 1, 1 - alpha, bursts)


def quantile_between(
    steps: Sequence[tuple[float, int]], n: int, q: float, alpha: float, together: int = 1
) -> Bound:
    """Return between which edges of a histogram the q-quantile is shown to lie.

    `steps`: (edge, requests that took longer than it), edges ascending. `high` is the least edge
    above which less than 1 - q is shown to lie, `low` the largest above which more is; None where
    n shows none. There is no `value`: a histogram does not tell where in a bucket it lies.
    """
    below, above = interval_bets(q)
    high = [e for e, over in steps if evidence(over, n, below, together) >= 1 / alpha]
    low = [e for e, over in steps if evidence(over, n, above, together) >= 1 / alpha]
    return Bound(None, max(low, default=None), min(high, default=None))
