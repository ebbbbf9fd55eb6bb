"""Encodings: every value of a space has its place in [0, 1], and every share a value."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.search.test_propose import SPACE
from tuner.search.encoding import contains, place, unordered, value_at
from tuner.spec.space import Choices, Range

SHARES = st.lists(st.floats(0, 1, exclude_max=True), min_size=len(SPACE), max_size=len(SPACE))


@given(SHARES)
def test_what_a_share_stands_for_has_its_place(shares: list[float]) -> None:
    """Values lie in the space; those of ranges lie where the share was, within a step."""
    drawn = zip(SPACE.items(), shares, strict=True)
    candidate = {name: value_at(dimension, share) for (name, dimension), share in drawn}
    places = dict(zip(SPACE, place(SPACE, candidate), strict=True))

    assert contains(SPACE, candidate)
    assert all(0 <= p <= 1 for p in places.values())
    for name, step in (("t", 0.001), ("k", 0.1), ("p", 0.03)):
        assert places[name] == pytest.approx(dict(zip(SPACE, shares, strict=True))[name], abs=step)


def test_choices_lie_evenly_and_words_have_no_order() -> None:
    """Four numbers lie a third apart, whatever they are; which knobs are words is known."""
    space = {"n": Choices((1, 2, 4, 8)), "word": Choices(("a", "b"))}

    assert [place(space, {"n": n, "word": "a"})[0] for n in (1, 2, 4, 8)] == [0, 1 / 3, 2 / 3, 1]
    assert list(unordered(space)) == [False, True]


def test_a_range_on_a_log_scale_has_its_middle_at_the_root() -> None:
    """Of 1 to 100 the middle is 10."""
    assert place({"k": Range(1, 100, log=True)}, {"k": 10})[0] == pytest.approx(0.5)


def test_one_value_has_a_place_too() -> None:
    """A space of a single choice does not divide by nothing."""
    assert place({"n": Choices((3,))}, {"n": 3}) == [0]
