"""Which share of good answers a proof can show: more than the floor, less with more answers."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from tuner.search.provable import provable_drop, provable_floor
from tuner.spec.requests.workload import Template, Workload
from tuner.spec.study import Study
from tuner.spec.values import Guard

shares = st.floats(0.05, 0.95)
counts = st.integers(1, 400)


def study(held_out: int, max_drop: float = 0.05) -> Study:
    """Return a study with so many templates for its proof."""
    templates = tuple(Template(str(i), (), None, "a", held_out=i > 0) for i in range(held_out + 1))
    guard = Guard(max_drop=max_drop)
    return Study("s", "fake", "default", Workload(templates), guard=guard, file="s.yaml")


@given(st.floats(0.05, 0.7), st.integers(40, 400), st.integers(40, 400))
def test_more_answers_show_a_smaller_distance_from_the_floor(
    floor: float, one: int, other: int
) -> None:
    """Where the share that few answers can have is no bound; none shows a floor just kept."""
    few, many = sorted((one, other))

    assert provable_floor(study(few), floor) >= provable_floor(study(many), floor) >= floor


@given(st.floats(0.5, 0.9), counts)
def test_a_wider_margin_asks_for_less(baseline: float, answers: int) -> None:
    """What may be lost need not be shown to be there."""
    asked = [
        provable_drop(replace(study(answers), guard=Guard(max_drop=drop)), baseline - drop)
        for drop in (0.02, 0.05, 0.2)
    ]

    assert asked == sorted(asked, reverse=True)


@given(st.floats(0, 1), counts)
def test_no_share_is_asked_for_that_leaves_no_candidate(floor: float, answers: int) -> None:
    """Only a floor of all answers asks for all of them."""
    assert provable_floor(study(answers), floor) < 1 or floor > 1 - 0.5 / answers
