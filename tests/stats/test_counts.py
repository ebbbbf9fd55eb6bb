"""What counts alone show is never more than what the requests themselves would have shown."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.stats.counts import certify_counts, evidence, quantile_between
from tuner.stats.eprocess import certify, fail_bets, pass_bets
from tuner.stats.eprocess import evidence as evidence_of_requests
from tuner.stats.strands import Strands

LATE = st.lists(st.booleans(), min_size=1, max_size=300)


@given(LATE, st.sampled_from([0.5, 0.9, 0.99]))
def test_one_at_a_time_is_the_certificate_itself(late: list[bool], q: float) -> None:
    """With nothing in flight together, order does not matter, and the counts are all there is."""
    counted = certify_counts((sum(late), sum(late)), len(late), q, 0.05)
    whole = certify(late, q, 0.05)

    assert (counted.verdict, counted.e_pass, counted.e_fail) == (
        whole.verdict,
        pytest.approx(whole.e_pass),
        pytest.approx(whole.e_fail),
    )


@given(LATE, st.integers(1, 6), st.integers(0, 2**16))
def test_no_division_into_strands_shows_less(late: list[bool], count: int, seed: int) -> None:
    """Whichever requests were together, the average over strands is at least what is claimed."""
    seen = np.array(late)
    index = np.random.default_rng(seed).integers(0, count, seen.size)
    strands = Strands(index, count)
    for bets in (pass_bets(0.9), fail_bets(0.9)):
        claimed = evidence(int(seen.sum()), seen.size, bets, count)

        assert claimed <= evidence_of_requests(seen, bets, strands) * (1 + 1e-9)


@pytest.mark.parametrize("side", ["PASS", "FAIL"])
def test_a_wrong_verdict_at_the_border_is_as_rare_as_promised(side: str) -> None:
    """A late rate of exactly the budget, in waves of four that are late together."""
    rng, wrong, runs = np.random.default_rng(24), 0, 200
    for _ in range(runs):
        late = np.cumsum(4 * (rng.random(500) < 0.1))
        looks = [(int(count), 4 * n) for n, count in enumerate(late, start=1)][::5]
        wrong += any(certify_counts((c, c), n, 0.9, 0.05, 4).verdict == side for c, n in looks)

    assert wrong / runs <= 0.05 + 3 * (0.05 * 0.95 / runs) ** 0.5


def test_what_may_be_late_stands_against_both_verdicts() -> None:
    """It counts as late against a PASS and as timely against a FAIL."""
    assert certify_counts((0, 0), 500, 0.99, 0.05).verdict == "PASS"
    assert certify_counts((0, 40), 500, 0.99, 0.05).verdict == "UNDECIDED"
    assert certify_counts((40, 40), 500, 0.99, 0.05).verdict == "FAIL"


def test_a_quantile_lies_between_edges_where_n_carries_it() -> None:
    """Both ends come with enough requests, and neither with few."""
    few = quantile_between([(0.1, 3), (0.5, 0)], 10, 0.99, 0.05)
    many = quantile_between([(0.1, 300), (0.5, 0)], 1000, 0.99, 0.05)

    assert (few.value, few.high) == (None, None)
    assert (many.low, many.high) == (0.1, 0.5)


@pytest.mark.parametrize(
    ("late", "n", "together"), [((2, 1), 5, 1), ((0, 6), 5, 1), ((-1, 0), 5, 1), ((0, 0), 5, 0)]
)
def test_counts_that_cannot_be_are_refused(late: tuple[int, int], n: int, together: int) -> None:
    """No verdict comes from them."""
    with pytest.raises(ValueError, match="cannot be"):
        certify_counts(late, n, 0.99, 0.05, together)
