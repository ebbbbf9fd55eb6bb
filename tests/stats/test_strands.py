"""Strands: none of one was in flight with another of it."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.stats.strands import in_flight, single, strands

ANSWERS = st.lists(st.integers(1, 50), min_size=1, max_size=120)


def closed_loop(answers: list[int], count: int) -> tuple[list[int], list[int]]:
    """Return when requests of these lengths are sent and end, `count` of them in flight."""
    free, sent, ended = [0] * count, [], []
    for takes in answers:
        worker = free.index(min(free))
        sent.append(free[worker])
        free[worker] += takes
        ended.append(free[worker])
    return sent, ended


@given(ANSWERS, st.integers(1, 9))
def test_requests_of_a_closed_loop_do_not_overlap_within_a_strand(
    answers: list[int], count: int
) -> None:
    """With as many strands as requests in flight each begins when the one before has ended."""
    sent, ended = closed_loop(answers, count)
    found = strands(sent, ended, count)

    assert found.count == count
    for strand in range(count):
        mine = np.flatnonzero(found.index == strand)
        assert all(ended[a] <= sent[b] for a, b in itertools.pairwise(mine))


@given(ANSWERS, st.integers(1, 9))
def test_a_closed_loop_has_as_many_in_flight_as_it_says(answers: list[int], count: int) -> None:
    """Once all have begun, each is sent when count - 1 others are under way."""
    sent, ended = closed_loop(answers, count)
    assert in_flight(sent, ended) <= count
    if len(answers) >= 30 * count:
        assert in_flight(sent, ended) == count


def test_few_crowded_times_do_not_count() -> None:
    """Where nineteen of twenty requests are alone, one is in flight."""
    sent = [100 * i for i in range(40)] + [4000, 4001, 4002]
    assert in_flight(sent, [s + 50 for s in sent[:-3]] + [4100] * 3) == 1
    assert in_flight([], []) == 1


@given(st.integers(1, 60), st.integers(1, 5))
def test_divided_strands_deal_their_requests_in_turn(n: int, apart: int) -> None:
    """Neighbours of a strand are in different parts, each of which has its share."""
    found = single(n).divided(apart)
    assert (found.parts() == np.arange(n) % apart).all()
    assert found.m == apart - 1


@pytest.mark.parametrize("count", [2, 5])
def test_more_in_flight_than_strands_go_to_the_one_that_is_free_first(count: int) -> None:
    """A burst is spread over all strands, however few there are."""
    found = strands([0] * 10, [100 + i for i in range(10)], count)
    assert (np.bincount(found.index) == 10 // count).all()
