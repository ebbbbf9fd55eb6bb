from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.stats.paired import difference_bounds, fewest_pairs, judge_noninferior, pairs_needed
from tuner.stats.quantiles import Bound

PAIRS = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60)


def answers(
    rng: np.random.Generator, n: int, discordance: float, difference: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return candidate and baseline with a known discordance and difference."""
    gain = (discordance + difference) / 2
    kind = rng.choice(3, size=n, p=[gain, discordance - gain, 1 - discordance])
    both = rng.random(n) < 0.8
    ours, theirs = np.where(kind == 2, both, kind == 0), np.where(kind == 2, both, kind == 1)
    return ours, theirs


@pytest.mark.parametrize("discordance", [0.02, 0.1])
def test_a_candidate_worse_by_the_margin_is_rarely_judged(
    discordance: float, rng: np.random.Generator
) -> None:
    """At a true difference of -margin at most 5 % PASS and at most 5 % FAIL."""
    runs = [answers(rng, 800, discordance, -0.02) for _ in range(300)]
    found = [judge_noninferior(*run, margin=0.02) for run in runs]
    assert found.count("PASS") / 300 < 0.075
    assert found.count("FAIL") / 300 < 0.075


@pytest.mark.parametrize(("difference", "verdict"), [(0.08, "PASS"), (-0.3, "FAIL")])
def test_clear_differences_are_judged(
    difference: float, verdict: str, rng: np.random.Generator
) -> None:
    """A clearly better candidate passes, a clearly worse one fails."""
    runs = [answers(rng, 400, 0.3 if difference < 0 else 0.1, difference) for _ in range(40)]
    assert np.mean([judge_noninferior(*run, margin=0.02) == verdict for run in runs]) > 0.9


def test_equal_answers_pass_at_a_known_count() -> None:
    """Identical answers need 1.5 times the pairs of the best bet, here exactly 218."""
    same = np.ones(218)
    assert judge_noninferior(same, same, 0.02) == "PASS"
    assert judge_noninferior(same[:-1], same[:-1], 0.02) == "UNDECIDED"


@given(PAIRS)
def test_exchanging_the_two_mirrors_the_difference(pairs: list[tuple[bool, bool]]) -> None:
    """Candidate - baseline is minus baseline - candidate, bounds included."""
    ours, theirs = np.array(pairs).T
    one, other = difference_bounds(ours, theirs), difference_bounds(theirs, ours)
    assert -1 <= one.low <= one.value <= one.high <= 1
    assert (one.low, one.value) == pytest.approx((-other.high, -other.value), abs=1e-6)


def test_no_pairs_decide_nothing() -> None:
    """Without pairs there are no bounds and no verdict."""
    assert difference_bounds([], []) == Bound(None, None, None)
    assert judge_noninferior([], [], 0.02) == "UNDECIDED"


def test_pairs_needed_are_those_of_the_design() -> None:
    """About 1,500 pairs at 10 % discordance, 150 without any, few where clearly better."""
    assert pairs_needed(0.1, 0.02) == pytest.approx(1500, rel=0.05)
    assert pairs_needed(0.0, 0.02) == pytest.approx(150, rel=0.05)
    assert pairs_needed(0.1, 0.02, 0.1) < 60
    assert pairs_needed(0.1, 0.02, -0.02) == math.inf


def test_pairs_needed_predict_the_mixture(rng: np.random.Generator) -> None:
    """With half of the pairs needed few pass, with twice as many nearly all that may."""
    need = pairs_needed(0.1, 0.05)
    few = [judge_noninferior(*answers(rng, int(need / 2), 0.1, 0), 0.05) for _ in range(60)]
    many = [judge_noninferior(*answers(rng, int(need * 3), 0.1, 0), 0.05) for _ in range(60)]
    assert few.count("PASS") < 20
    assert many.count("PASS") > 50


@pytest.mark.parametrize("wrong", [(0.1, 1.0, 0.0), (0.1, -0.1, 0.0), (0.1, 0.1, 0.2)])
def test_impossible_plans_are_refused(wrong: tuple[float, float, float]) -> None:
    """A margin lies in [0, 1), and the difference within the discordance."""
    with pytest.raises(ValueError, match=r"margin|discordance"):
        pairs_needed(*wrong)


def test_unpaired_answers_are_refused() -> None:
    """Both must have answered the same prompts, with shares in [0, 1]."""
    with pytest.raises(ValueError, match="same prompts"):
        judge_noninferior([1], [1, 0], 0.02)
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        judge_noninferior([3], [0], 0.02)


MARGINS = st.floats(0.002, 0.9)
ERRORS = st.sampled_from([0.05, 0.0077, 0.0004])


@given(MARGINS, ERRORS)
def test_so_many_pairs_pass_and_no_fewer(margin: float, alpha: float) -> None:
    """Where all answers are alike; one pair less does not, be all of them right or wrong."""
    least = fewest_pairs(margin, alpha)
    for answer in (0.0, 1.0):
        alike = np.full(least, answer)
        assert judge_noninferior(alike, alike, margin, alpha) == "PASS"
        assert judge_noninferior(alike[1:], alike[1:], margin, alpha) == "UNDECIDED"


@given(MARGINS, ERRORS, st.integers(0, 2**32 - 1))
def test_answers_that_differ_take_no_fewer_pairs(margin: float, alpha: float, seed: int) -> None:
    """Where as many are lost as are won, in whatever order."""
    n = fewest_pairs(margin, alpha) - 1
    rng, half = np.random.default_rng(seed), n // 2
    ours = rng.permutation(np.repeat([1.0, 0.0], (half, n - half)))

    assert judge_noninferior(ours, 1.0 - ours, margin, alpha) != "PASS"


@given(MARGINS, st.floats(0.001, 0.1))
def test_a_smaller_margin_or_error_takes_more_pairs(margin: float, less: float) -> None:
    """Or as many."""
    assert fewest_pairs(margin) <= fewest_pairs(margin * (1 - less))
    assert fewest_pairs(margin, 0.05) <= fewest_pairs(margin, 0.05 * (1 - less))


@pytest.mark.parametrize("margin", [0.0, 1.0, -0.1])
def test_no_number_of_pairs_shows_no_drop_at_all(margin: float) -> None:
    """And a margin of everything asks for nothing."""
    with pytest.raises(ValueError, match="margin must lie strictly between 0 and 1"):
        fewest_pairs(margin)
