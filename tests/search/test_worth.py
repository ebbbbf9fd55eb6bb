"""What a candidate is expected to bring: more near what is good, most where nothing is known."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from tuner.search.trial import Trial
from tuner.search.worth import distance, improvements
from tuner.spec.space import Choices, Range

SPACE = {"a": Range(0.0, 1.0), "b": Choices((1, 2, 4)), "c": Choices(("x", "y"))}
CANDIDATES = st.fixed_dictionaries(
    {
        "a": st.floats(0, 1),
        "b": st.sampled_from((1, 2, 4)),
        "c": st.sampled_from(("x", "y")),
    }
)


def trial(number: int, a: float, value: float) -> Trial:
    """Return a measured trial at a place."""
    return Trial(number, {"a": a, "b": 1, "c": "x"}, "sampler", "complete", value=value)


def at(a: float) -> dict[str, object]:
    """Return a candidate at a place."""
    return {"a": a, "b": 1, "c": "x"}


def test_beside_the_best_more_is_expected_than_beside_the_worst() -> None:
    """Trials nearby tell what to expect."""
    trials = [trial(0, 0.0, 1.0), trial(1, 1.0, 3.0)]
    poor, good = improvements(SPACE, trials, [at(0.05), at(0.95)])  # type: ignore[list-item]

    assert good > poor


def test_where_nothing_is_known_there_is_more_to_find() -> None:
    """Far from all trials of a middling rank the guess is wide."""
    trials = [trial(n, 0.5, 1.0) for n in range(6)]
    known, unknown = improvements(SPACE, trials, [at(0.5), {"a": 0.5, "b": 4, "c": "y"}])

    assert unknown > known


def test_without_trials_all_are_alike() -> None:
    """Nothing measured, nothing to choose by."""
    assert improvements(SPACE, [], [at(0.1), at(0.9)]) == [1.0, 1.0]  # type: ignore[list-item]


@given(CANDIDATES, CANDIDATES)
def test_distance_is_one(a: dict[str, float], b: dict[str, float]) -> None:
    """It is symmetric, zero for the same, and at most the root of the number of knobs."""
    assert distance(SPACE, a, b) == distance(SPACE, b, a)
    assert distance(SPACE, a, a) == 0
    assert distance(SPACE, a, b) <= math.sqrt(3) + 1e-9


@given(st.lists(CANDIDATES, min_size=1, max_size=5), st.lists(st.floats(-5, 5), min_size=1))
def test_an_improvement_is_never_negative(
    places: list[dict[str, float]], values: list[float]
) -> None:
    """Whatever was measured, what is expected is a number of at least zero."""
    trials = [Trial(n, places[n % len(places)], "sampler", "complete", value=v)
              for n, v in enumerate(values)]  # fmt: skip

    assert all(0 <= gain < 2 for gain in improvements(SPACE, trials, places))
