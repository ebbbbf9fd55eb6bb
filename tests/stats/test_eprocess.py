"""Certificates: what they promise of late rates, and what they do not."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.stats.dependence import MAX_LAG
from tuner.stats.eprocess import (
    certify,
    certify_observed,
    fail_bets,
    pass_bets,
    wealth,
)
from tuner.stats.planning import sprt_bound
from tuner.stats.strands import Strands

# A low bar and a low quantile, so that short lists reach verdicts of every kind.
EASY = {"quantile": 0.7, "alpha": 0.3}
LATE = st.lists(st.sampled_from([False] * 6 + [True]), max_size=120) | st.lists(st.booleans())
ORDER = ("FAIL", "UNDECIDED", "PASS")
STEPS = st.integers(0, 5)


def share(found: list[bool]) -> float:
    """Return the share of true ones."""
    return float(np.mean(found))


def dealt(n: int, m: int) -> Strands:
    """Return m + 1 strands to which n requests are dealt in turn."""
    return Strands(np.arange(n) % (m + 1), m + 1)


def with_m(late: list[bool] | np.ndarray, m: int, **how: float):
    """Return the certificate of requests of which each hangs together with the next m."""
    return certify(late, strands=dealt(len(late), m), **how)


def first(late: np.ndarray, q: float = 0.99, alpha: float = 0.05) -> tuple[str, int]:
    """Return the first verdict when one looks after each request, and after how many."""
    total = np.arange(1, late.size + 1)
    passed, failed = (
        np.append(wealth(late.cumsum(), total, bets(q)) >= 1 / alpha, True).argmax()
        for bets in (pass_bets, fail_bets)
    )
    if min(passed, failed) == late.size:
        return "UNDECIDED", late.size
    return ("PASS", int(passed) + 1) if passed < failed else ("FAIL", int(failed) + 1)


def looked_at(late: np.ndarray, m: int = 0, growth: float = 1.15):
    """Return the first verdict of looks at the first 50, 58, 67, ... requests, or the last."""
    n = 50
    while True:
        n = min(n, late.size)
        found = certify_observed(late[:n], strands=dealt(n, m))
        if found.verdict != "UNDECIDED" or n == late.size:
            return found
        n = math.ceil(n * growth)


@given(LATE, LATE, STEPS)
def test_a_late_request_never_helps(before: list[bool], after: list[bool], m: int) -> None:
    """Making one late request timely never worsens the verdict."""
    late = with_m([*before, True, *after], m, **EASY)
    timely = with_m([*before, False, *after], m, **EASY)
    assert ORDER.index(late.verdict) <= ORDER.index(timely.verdict)


@given(LATE, STEPS)
def test_the_certificate_is_the_mean_over_strands(late: list[bool], m: int) -> None:
    """The e-values equal a plain product along each strand, averaged after all requests."""
    found = with_m(late, m, quantile=0.9, alpha=1e-9)
    bets = pass_bets(0.9)
    rates = np.ones((m + 1, bets.rates.size))
    for i, bad in enumerate(late):
        rates[i % (m + 1)] *= bets.rates / (1 - 0.9) if bad else (1 - bets.rates) / 0.9
    assert found.e_pass == pytest.approx(float((rates @ bets.masses).mean()))


@given(st.floats(0.01, 0.999))
def test_bets_lie_on_their_side_of_the_bound(q: float) -> None:
    """PASS bets on rates below 1 - q, FAIL on rates between 1 - q and 1; masses sum to 1."""
    passing, failing = pass_bets(q), fail_bets(q)
    assert (passing.rates >= 0).all()
    assert (passing.rates < 1 - q).all()
    assert (failing.rates > 1 - q).all()
    assert (failing.rates < 1).all()
    assert passing.masses.sum() == pytest.approx(1)
    assert failing.masses.sum() == pytest.approx(1)


@given(st.floats(0.5, 0.9999))
def test_one_late_request_alone_is_no_fail(q: float) -> None:
    """The very first request may be late: one request is no rate."""
    assert certify([True], q).verdict == "UNDECIDED"


def test_the_bets_for_p99_are_those_of_the_design() -> None:
    """For p99 the bets are 0, 0.1, 0.2, 0.4 % and 2, 4, 10, 30, 90 %."""
    np.testing.assert_allclose(pass_bets(0.99).rates, [0, 0.001, 0.002, 0.004], rtol=1e-9)
    np.testing.assert_allclose(fail_bets(0.99).rates, [0.02, 0.04, 0.1, 0.3, 0.9], rtol=1e-9)


@pytest.mark.parametrize(
    ("rate", "low", "high"),
    [(0, 334, 334), (0.001, 440, 495), (0.002, 600, 700), (0.003, 830, 990), (0.05, 95, 135)],
)
def test_verdicts_take_about_the_expected_requests(
    rate: float, low: float, high: float, rng: np.random.Generator
) -> None:
    """The mean stop lies a little above the SPRT bound (298, 445, 622, 878; 103 for FAIL)."""
    found = [first(rng.random(5000) < rate) for _ in range(250)]
    wanted = "PASS" if rate < 0.01 else "FAIL"
    assert share([verdict == wanted for verdict, _ in found]) > 0.97
    assert low <= np.mean([n for _, n in found]) <= high


def test_independent_lateness_at_the_bound_passes_and_fails_rarely(
    rng: np.random.Generator,
) -> None:
    """At exactly 1 % late at most 5 % of runs pass and 5 % fail, up to chance."""
    found = [first(rng.random(3000) < 0.01)[0] for _ in range(800)]
    assert 0.01 < share([v == "PASS" for v in found]) < 0.07
    assert share([v == "FAIL" for v in found]) < 0.07


def test_chances_that_differ_from_request_to_request_pass_rarely(rng: np.random.Generator) -> None:
    """With chances that rise from 0 to 2 %, 1 % on average, at most 5 % of all requests pass."""
    chances = np.linspace(0.02, 0.0, 1500)
    found = [certify(rng.random(1500) < chances).verdict for _ in range(400)]
    assert share([v == "PASS" for v in found]) < 0.07


@pytest.mark.parametrize(("q", "most"), [(0.5, 200), (0.9, 600), (0.95, 1000), (0.999, 12_000)])
def test_the_promise_holds_for_other_quantiles(
    q: float, most: int, rng: np.random.Generator
) -> None:
    """At exactly 1 - q late at most 5 % pass and 5 % fail, up to chance; bets do pay."""
    found = [first(rng.random(most) < 1 - q, q)[0] for _ in range(400)]
    assert share([v == "PASS" for v in found]) < 0.08
    assert share([v == "FAIL" for v in found]) < 0.08
    assert certify(np.zeros(most, dtype=bool), q).verdict == "PASS"
    assert certify(np.ones(most, dtype=bool), q).verdict == "FAIL"


@pytest.mark.parametrize("q", [0.5, 0.9, 0.95, 0.999])
def test_other_quantiles_take_about_as_many_requests_as_they_must(
    q: float, rng: np.random.Generator
) -> None:
    """At a fifth of the allowed late rate the mean stop is near the SPRT bound."""
    bound = sprt_bound((1 - q) / 5, q)
    found = [first(rng.random(round(10 * bound)) < (1 - q) / 5, q) for _ in range(150)]
    assert share([verdict == "PASS" for verdict, _ in found]) > 0.95
    assert 0.8 < np.mean([n for _, n in found]) / bound < 1.4


@pytest.mark.parametrize("length", [2, 4, 8])
def test_bursts_within_stated_strands_pass_rarely(
    length: int, rng: np.random.Generator, worlds
) -> None:
    """At exactly 1 % late in bursts of m + 1, at most 5 % pass or fail, up to chance."""
    runs = [worlds.bursts(rng, 700 * length, 0.01, length) for _ in range(150)]
    found = [looked_at(late, length - 1).verdict for late in runs]
    assert share([v == "PASS" for v in found]) < 0.1
    assert share([v == "FAIL" for v in found]) < 0.1


@pytest.mark.parametrize("m", [3, 7])
def test_any_lateness_within_stated_strands_passes_rarely(
    m: int, rng: np.random.Generator, worlds
) -> None:
    """Late requests in pairs m apart, and ones that keep m apart, pass at most 5 % at 1 %."""
    for world in (worlds.pairs, worlds.apart):
        found = [with_m(world(rng, 700 * (m + 1), 0.01, m), m).verdict for _ in range(300)]
        assert share([v == "PASS" for v in found]) < 0.09
        assert share([v == "FAIL" for v in found]) < 0.09


def test_bursts_break_a_certificate_for_independent_lateness(
    rng: np.random.Generator, worlds
) -> None:
    """At 1 % late in bursts of 4, one strand passes about 45 %: the reason for strands."""
    found = [first(worlds.bursts(rng, 3000, 0.01, 4))[0] for _ in range(200)]
    assert 0.3 < share([v == "PASS" for v in found]) < 0.6


@pytest.mark.parametrize("length", [2, 4, 8, 20])
def test_bursts_that_were_seen_support_no_false_verdict(
    length: int, rng: np.random.Generator, worlds
) -> None:
    """At 1 % late in bursts, looking often: no PASS once a burst was seen, and few FAIL."""
    runs = [looked_at(worlds.bursts(rng, 1500, 0.01, length)) for _ in range(100)]
    assert share([c.verdict == "PASS" and c.late >= 2 for c in runs]) <= 0.05
    assert share([c.verdict == "FAIL" for c in runs]) < 0.12
    # What is not promised, and said so: a PASS before the first burst.
    assert all(c.bursts < length for c in runs if c.verdict == "PASS" and c.late == 0)


def test_looking_for_bursts_makes_no_pass() -> None:
    """Pairs that leave half of the divided strands clean pass by the chosen m alone."""
    late = np.zeros(2200, dtype=bool)
    late[[start + i for start in range(200, 1500, 300) for i in (0, 3)]] = True
    assert with_m(late, 3).verdict == "PASS"
    assert certify(late).e_pass < 20
    assert certify_observed(late).verdict == "UNDECIDED"


def test_an_early_burst_can_be_made_good() -> None:
    """Three late requests in a row at the start, and two thousand timely ones, are a PASS."""
    late = np.zeros(2000, dtype=bool)
    late[10:13] = True
    assert certify(late[:13]).verdict == "FAIL"
    found = certify_observed(late)
    assert (found.verdict, found.m, found.late) == ("PASS", 2, 3)


def test_what_becomes_late_after_a_pass_counts() -> None:
    """A verdict speaks of all requests: late ones after a PASS can take it away."""
    late = np.zeros(600, dtype=bool)
    late[[420, 460, 500, 540, 580]] = True
    assert certify_observed(late[:409], alpha=0.025).verdict == "PASS"
    found = certify_observed(late, alpha=0.025)
    assert (found.verdict, found.n, found.late) == ("UNDECIDED", 600, 5)


def test_a_pass_says_for_which_bursts_it_stands() -> None:
    """Without late requests each 334 support one more request of burst length."""
    for length in (1, 2, 3):
        found = certify_observed(np.zeros(334 * length, dtype=bool))
        assert (found.verdict, found.bursts) == ("PASS", length)
    assert certify_observed(np.zeros(333, dtype=bool)).bursts == 0


def test_a_pass_over_strands_stands_for_what_was_in_flight() -> None:
    """Eight in flight take eight times the requests, and stand for bursts of eight."""
    found = certify_observed(np.zeros(8 * 334, dtype=bool), strands=dealt(8 * 334, 7))
    assert (found.verdict, found.m, found.bursts) == ("PASS", 7, 8)
    fewer = 8 * 333
    assert certify_observed(np.zeros(fewer, bool), strands=dealt(fewer, 7)).verdict == "UNDECIDED"


def test_seen_bursts_withdraw_a_pass() -> None:
    """A server that passed at 334 is undecided again when one burst follows."""
    late = np.zeros(600, dtype=bool)
    late[500:504] = True
    assert certify_observed(late[:334]).verdict == "PASS"
    found = certify_observed(late)
    assert (found.verdict, found.m) == ("UNDECIDED", 3)


def test_clustering_beyond_the_longest_lag_is_never_a_pass() -> None:
    """A burst longer than MAX_LAG leaves UNDECIDED, however many requests follow."""
    late = np.zeros(60_000, dtype=bool)
    late[30_000 : 30_000 + 2 * MAX_LAG] = True
    assert with_m(late, MAX_LAG).verdict == "PASS"
    found = certify_observed(late)
    assert (found.verdict, found.n, found.late, found.bursts) == ("UNDECIDED", 60_000, 64, 0)


def test_a_server_that_is_always_late_fails_soon() -> None:
    """Forty late requests of forty are a FAIL: constant lateness is no clustering."""
    assert certify_observed(np.ones(40, dtype=bool)).verdict == "FAIL"


def test_two_late_requests_in_a_row_at_the_start_are_no_fail() -> None:
    """A short run of late requests counts as one burst, though too few to be significant."""
    late = [False, False, True, True, False, False]
    assert certify(late).verdict == "FAIL"
    assert certify_observed(late).verdict == "UNDECIDED"


def test_nothing_measured_decides_nothing() -> None:
    """No requests leave UNDECIDED with e-values of 1."""
    found = certify([])
    assert (found.verdict, found.n, found.e_pass, found.e_fail) == ("UNDECIDED", 0, 1.0, 1.0)


@pytest.mark.parametrize("late", [np.zeros(200_000, bool), np.ones(2_000, bool)])
def test_overwhelming_evidence_stays_finite(late: np.ndarray) -> None:
    """e-values are capped, never infinite or NaN."""
    found = with_m(late, 3, alpha=1e-300)
    assert math.isfinite(found.e_pass)
    assert math.isfinite(found.e_fail)
    assert max(found.e_pass, found.e_fail) > 1e200


@pytest.mark.parametrize(
    "wrong",
    [{"quantile": 1.0}, {"alpha": 0.0}, {"strands": dealt(2, 0)}, {"late": [[True]]}],
)
def test_impossible_arguments_are_refused(wrong: dict[str, object]) -> None:
    """Levels outside (0, 1), strands of other requests and two-dimensional data are errors."""
    with pytest.raises(ValueError, match="must"):
        certify(**{"late": [True], **wrong})
