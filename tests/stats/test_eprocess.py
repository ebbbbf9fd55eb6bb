from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.stats.dependence import MAX_LAG, dependence
from tuner.stats.eprocess import (
    certify,
    certify_observed,
    expected_requests,
    fail_bets,
    pass_bets,
    pass_probability,
    requests_to_pass,
    sprt_bound,
)

# A low bar and a low quantile, so that short lists reach verdicts of every kind.
EASY = {"quantile": 0.7, "alpha": 0.3}
LATE = st.lists(st.sampled_from([False] * 6 + [True]), max_size=120) | st.lists(st.booleans())
ORDER = ("FAIL", "UNDECIDED", "PASS")
STEPS = st.integers(0, 5)


def share(found: list[bool]) -> float:
    """Return the share of true ones."""
    return float(np.mean(found))


def as_looked_at(late: np.ndarray, **how: int) -> list:
    """Return what each look at the first 50, 58, 67, ... requests says, up to a verdict."""
    looks, n = [], 50
    while not looks or (looks[-1].verdict == "UNDECIDED" and n < late.size):
        looks.append(certify_observed(late[:n], **how))
        n = math.ceil(n * 1.15)
    return looks


@given(LATE, LATE, STEPS, st.integers(0, 60))
def test_a_verdict_does_not_change_with_later_data(
    late: list[bool], later: list[bool], m: int, least: int
) -> None:
    """What was decided after n requests stays decided, with the same evidence."""
    found = certify(late, **EASY, m=m, min_n_pass=least)
    longer = certify(late + later, **EASY, m=m, min_n_pass=least)
    if found.verdict == "UNDECIDED":
        assert longer.verdict == "UNDECIDED" or longer.n > len(late)
        return
    assert longer == found
    assert certify(late[: found.n], **EASY, m=m, min_n_pass=least) == found
    assert certify(late[: found.n - 1], **EASY, m=m, min_n_pass=least).verdict == "UNDECIDED"


@given(LATE, LATE, STEPS)
def test_a_late_request_never_helps(before: list[bool], after: list[bool], m: int) -> None:
    """Making one late request timely never worsens the verdict or delays a PASS."""
    late = certify([*before, True, *after], **EASY, m=m)
    timely = certify([*before, False, *after], **EASY, m=m)
    assert ORDER.index(late.verdict) <= ORDER.index(timely.verdict)
    if late.verdict == timely.verdict != "UNDECIDED":
        assert (late.n <= timely.n) == (late.verdict == "FAIL") or late.n == timely.n


@given(LATE, STEPS)
def test_the_certificate_is_the_mean_over_interleaved_subsequences(
    late: list[bool], m: int
) -> None:
    """The e-values equal a plain product along each subsequence, averaged request by request."""
    found = certify(late, 0.9, 1e-9, m)
    bets = pass_bets(0.9)
    wealth, best = np.ones((m + 1, bets.rates.size)), 0.0
    for i, bad in enumerate(late):
        wealth[i % (m + 1)] *= bets.rates / (1 - 0.9) if bad else (1 - bets.rates) / 0.9
        best = max(best, float((wealth @ bets.masses).mean()))
    assert found.e_pass == pytest.approx(best if late else 1.0)


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
    found = [certify(rng.random(5000) < rate) for _ in range(250)]
    wanted = "PASS" if rate < 0.01 else "FAIL"
    assert share([c.verdict == wanted for c in found]) > 0.97
    assert low <= np.mean([c.n for c in found]) <= high


def test_independent_lateness_at_the_bound_passes_and_fails_rarely(
    rng: np.random.Generator,
) -> None:
    """At exactly 1 % late at most 5 % of runs pass and 5 % fail, up to chance."""
    found = [certify(rng.random(3000) < 0.01).verdict for _ in range(800)]
    assert 0.01 < share([v == "PASS" for v in found]) < 0.07
    assert share([v == "FAIL" for v in found]) < 0.07


@pytest.mark.parametrize(("q", "most"), [(0.5, 200), (0.9, 600), (0.95, 1000), (0.999, 12_000)])
def test_the_promise_holds_for_other_quantiles(
    q: float, most: int, rng: np.random.Generator
) -> None:
    """At exactly 1 - q late at most 5 % pass and 5 % fail, up to chance; bets do pay."""
    found = [certify(rng.random(most) < 1 - q, q).verdict for _ in range(400)]
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
    found = [certify(rng.random(round(10 * bound)) < (1 - q) / 5, q) for _ in range(150)]
    assert share([c.verdict == "PASS" for c in found]) > 0.95
    assert 0.8 < np.mean([c.n for c in found]) / bound < 1.4


def test_waiting_for_requests_passes_no_more_often(rng: np.random.Generator) -> None:
    """A PASS that waits for n requests is one that fell before, or that n requests support."""
    runs = [rng.random(1500) < 0.01 for _ in range(400)]
    at_once = [certify(late).verdict == "PASS" for late in runs]
    waiting = [certify(late, min_n_pass=n).verdict == "PASS" for n, late in enumerate(runs, 400)]
    # While it waits, a FAIL may take a PASS away; nothing makes one.
    assert all(w <= a for w, a in zip(waiting, at_once, strict=True))
    assert share(at_once) < 0.08


@pytest.mark.parametrize("length", [2, 4, 8])
def test_bursts_within_a_stated_m_pass_rarely(
    length: int, rng: np.random.Generator, worlds
) -> None:
    """At exactly 1 % late in bursts of m + 1, at most 5 % pass or fail, up to chance."""
    runs = [worlds.bursts(rng, 700 * length, 0.01, length) for _ in range(400)]
    found = [certify(late, m=length - 1).verdict for late in runs]
    assert 0 < share([v == "PASS" for v in found]) < 0.08
    assert share([v == "FAIL" for v in found]) < 0.08


@pytest.mark.parametrize("m", [3, 7])
def test_any_lateness_within_a_stated_m_passes_rarely(
    m: int, rng: np.random.Generator, worlds
) -> None:
    """Late requests in pairs m apart, and ones that keep m apart, pass at most 5 % at 1 %."""
    for world in (worlds.pairs, worlds.apart):
        found = [certify(world(rng, 700 * (m + 1), 0.01, m), m=m).verdict for _ in range(300)]
        assert share([v == "PASS" for v in found]) < 0.09
        assert share([v == "FAIL" for v in found]) < 0.09


def test_bursts_break_a_certificate_for_independent_lateness(
    rng: np.random.Generator, worlds
) -> None:
    """At 1 % late in bursts of 4, m = 0 passes about 45 %: the reason for m."""
    found = [certify(worlds.bursts(rng, 3000, 0.01, 4)).verdict for _ in range(200)]
    assert 0.3 < share([v == "PASS" for v in found]) < 0.6


@pytest.mark.parametrize("length", [2, 4, 8, 20])
def test_bursts_that_were_seen_support_no_false_verdict(
    length: int, rng: np.random.Generator, worlds
) -> None:
    """At 1 % late in bursts, looking often: no PASS once a burst was seen, and few FAIL."""
    runs = [as_looked_at(worlds.bursts(rng, 1500, 0.01, length))[-1] for _ in range(100)]
    assert share([c.verdict == "PASS" and c.late >= 2 for c in runs]) <= 0.05
    assert share([c.verdict == "FAIL" for c in runs]) < 0.12
    # What is not promised, and said so: a PASS before the first burst.
    assert all(c.bursts < length for c in runs if c.verdict == "PASS" and c.late == 0)


def test_looking_for_bursts_makes_no_pass() -> None:
    """Pairs that leave half of the interleaved subsequences clean pass by the chosen m alone."""
    late = np.zeros(2200, dtype=bool)
    late[[start + i for start in range(200, 1500, 300) for i in (0, 3)]] = True
    assert certify(late, m=dependence(late)).verdict == "PASS"
    assert certify(late).e_pass < 20
    assert certify_observed(late).verdict == "UNDECIDED"


def test_an_early_burst_can_be_made_good() -> None:
    """Three late requests in a row are a FAIL at m = 0, one burst in two thousand is a PASS."""
    late = np.zeros(2000, dtype=bool)
    late[10:13] = True
    assert certify(late).verdict == "FAIL"
    found = certify_observed(late)
    assert (found.verdict, found.m, found.late) == ("PASS", 2, 3)


def test_a_stated_burst_length_holds_from_the_first_look(rng: np.random.Generator, worlds) -> None:
    """With least_m = b - 1 bursts of b at 1 % pass at most 5 % of runs, up to chance."""
    runs = [
        as_looked_at(worlds.bursts(rng, 2200, 0.01, 4), least_m=3)[-1].verdict for _ in range(150)
    ]
    assert share([v == "PASS" for v in runs]) < 0.1


def test_a_pass_says_for_which_bursts_it_stands() -> None:
    """Without late requests each 334 support one more request of burst length."""
    for length in (1, 2, 3):
        found = certify_observed(np.zeros(334 * length, dtype=bool))
        assert (found.verdict, found.bursts) == ("PASS", length)
    assert certify_observed(np.zeros(333, dtype=bool)).bursts == 0


def test_seen_bursts_withdraw_a_pass() -> None:
    """A server that passed at 334 is undecided again when one burst follows."""
    late = np.zeros(600, dtype=bool)
    late[500:504] = True
    assert certify(late).verdict == "PASS"
    found = certify_observed(late)
    assert (found.verdict, found.m, found.clusters) == ("UNDECIDED", 3, 150.0)


def test_clustering_beyond_the_longest_lag_is_never_a_pass() -> None:
    """A burst longer than MAX_LAG leaves UNDECIDED, however many requests follow."""
    late = np.zeros(60_000, dtype=bool)
    late[30_000 : 30_000 + 2 * MAX_LAG] = True
    assert certify(late, m=MAX_LAG).verdict == "PASS"
    found = certify_observed(late)
    assert (found.verdict, found.n, found.late, found.bursts) == ("UNDECIDED", 60_000, 64, 0)


def test_a_server_that_is_always_late_fails_soon() -> None:
    """Forty late requests of forty are a FAIL: constant lateness is no clustering."""
    found = certify_observed(np.ones(40, dtype=bool))
    assert found.verdict == "FAIL"
    assert found.n <= 40


def test_two_late_requests_in_a_row_at_the_start_are_no_fail() -> None:
    """A short run of late requests counts as one burst, though too few to be significant."""
    late = [False, False, True, True, False, False]
    assert certify(late).verdict == "FAIL"
    assert certify_observed(late).verdict == "UNDECIDED"


def test_a_pass_waits_for_the_least_requests() -> None:
    """A bar reached earlier counts from min_n_pass on, also when late requests came between."""
    late = np.zeros(500, dtype=bool)
    late[400] = True
    found = certify(late, min_n_pass=450)
    assert (found.verdict, found.n, found.late) == ("PASS", 450, 1)
    assert certify(late, min_n_pass=501).verdict == "UNDECIDED"


def test_a_fail_while_waiting_decides() -> None:
    """A FAIL that falls before min_n_pass is not overruled by the PASS that waits."""
    late = np.concatenate([np.zeros(334, dtype=bool), np.ones(40, dtype=bool)])
    failed = certify(late, min_n_pass=374)
    assert failed.verdict == "FAIL"
    # Where both fall together, the FAIL decides.
    assert certify(late, min_n_pass=failed.n) == failed
    assert certify(late).verdict == "PASS"


def test_nothing_measured_decides_nothing() -> None:
    """No requests leave UNDECIDED with e-values of 1."""
    found = certify([])
    assert (found.verdict, found.n, found.e_pass, found.e_fail) == ("UNDECIDED", 0, 1.0, 1.0)


@pytest.mark.parametrize("late", [np.zeros(200_000, bool), np.ones(2_000, bool)])
def test_overwhelming_evidence_stays_finite(late: np.ndarray) -> None:
    """e-values are capped, never infinite or NaN."""
    found = certify(late, alpha=1e-300, m=3)
    assert math.isfinite(found.e_pass)
    assert math.isfinite(found.e_fail)
    assert max(found.e_pass, found.e_fail) > 1e200


@pytest.mark.parametrize(
    "wrong", [{"quantile": 1.0}, {"alpha": 0.0}, {"m": -1}, {"late": [[True]]}]
)
def test_impossible_arguments_are_refused(wrong: dict[str, object]) -> None:
    """Levels outside (0, 1), a negative m and two-dimensional data are errors."""
    with pytest.raises(ValueError, match="must"):
        certify(**{"late": [True], **wrong})


def test_the_sprt_bound_is_that_of_the_design() -> None:
    """Wald's bound is 298, 445, 622, 878 below 1 % late, and 73 for a FAIL at 5 %."""
    found = [sprt_bound(r) for r in (0, 0.001, 0.002, 0.003, 0.05)]
    assert found == pytest.approx([298, 445, 622, 878, 73], abs=0.6)
    assert sprt_bound(0.01) == math.inf


def test_expected_requests_rise_to_infinity_at_the_bound() -> None:
    """The nearer the late rate to 1 - q, the more requests; at it and above, never."""
    needed = [expected_requests(r) for r in (0, 0.001, 0.002, 0.005, 0.009)]
    assert needed == sorted(needed)
    assert needed[:3] == pytest.approx([328, 489, 685], abs=1)
    assert expected_requests(0.01) == expected_requests(0.02) == math.inf
    with pytest.raises(ValueError, match="late_rate"):
        expected_requests(-0.1)


def test_pass_probability_predicts_the_certificate(rng: np.random.Generator) -> None:
    """It is 1 once passed, 0 without requests left, and between for open cases."""

    def predicted(late: int, n: int, more: int) -> float:
        return pass_probability(late, n, more, 0.99, 0.05, rng, draws=400)

    assert predicted(0, 334, 0) == 1.0
    assert predicted(0, 333, 0) == 0.0
    assert predicted(20, 100, 500) == 0.0
    assert predicted(0, 300, 100) > 0.8
    assert predicted(2, 300, 100) < 0.05 < predicted(2, 300, 1500) < 0.95
    with pytest.raises(ValueError, match="late_so_far"):
        predicted(5, 4, 1)


def test_pass_probability_agrees_with_simulated_certificates(rng: np.random.Generator) -> None:
    """From nothing it equals certify's PASS share over rates drawn from the same prior."""
    rates = rng.beta(0.5, 0.5 + 200, size=400)
    truth = share([certify(rng.random(600) < rate).verdict == "PASS" for rate in rates])
    # 200 timely requests are the prior here, so they are no evidence: 200 more than 600.
    guess = pass_probability(0, 200, 600, 0.99, 0.05, rng, draws=400)
    longer = share(
        [
            certify(np.r_[np.zeros(200, bool), rng.random(600) < rate]).verdict == "PASS"
            for rate in rates
        ]
    )
    assert guess == pytest.approx(longer, abs=0.1)
    assert guess > truth


@pytest.mark.parametrize("late", [0, 1, 2])
@pytest.mark.parametrize("alpha", [0.05, 0.025, 0.003])
def test_requests_to_pass_is_where_the_certificate_passes(late: int, alpha: float) -> None:
    """With so many more timely requests it passes, with one fewer it does not."""
    seen = np.zeros(100, dtype=bool)
    seen[20 : 20 + 10 * late : 10] = True
    more = requests_to_pass(late, 100, alpha=alpha)

    def verdict(timely: int) -> str:
        return certify(np.r_[seen, np.zeros(timely, dtype=bool)], alpha=alpha).verdict

    assert (verdict(more - 1), verdict(more)) == ("UNDECIDED", "PASS")


def test_requests_to_pass_is_nothing_when_it_has_passed() -> None:
    """After four hundred timely requests a p99 takes no more of them."""
    assert requests_to_pass(0, 400) == 0
    assert requests_to_pass(0, 0) == 334


def test_requests_to_pass_refuses_what_cannot_be() -> None:
    """More late requests than requests are no count."""
    with pytest.raises(ValueError, match="cannot be"):
        requests_to_pass(2, 1)
