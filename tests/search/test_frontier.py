"""The frontier: nothing on it is beaten in everything, and all that is off it is."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from tests.search.test_trial import STUDY, served, trial
from tuner.search.frontier import Point, frontier
from tuner.search.trial import Trial

MEASURES = st.tuples(st.integers(1, 5), st.integers(0, 4), st.integers(1, 3))


def measured(number: int, tenths: int, right: int, megabytes: int) -> Trial:
    """Return a trial with given latency, right answers of four, and memory."""
    samples = [
        replace(served(tenths), guard="correct" if i < right else "wrong_fields") for i in range(4)
    ]
    return replace(trial(samples), number=number, memory_bytes=megabytes * 2**20)


@given(st.lists(MEASURES, min_size=1, max_size=12))
def test_the_frontier_is_the_set_that_nothing_dominates(
    measures: list[tuple[int, int, int]],
) -> None:
    """Every trial off the frontier is beaten by one on it; none on it is beaten by any."""
    trials = [measured(i, *m) for i, m in enumerate(measures)]
    found = frontier(STUDY, trials)
    on = {p.trial.number for p in found}

    assert found
    for t in trials:
        (point,) = frontier(STUDY, [t])
        beaten = any(_beats(p, point) for p in found)
        assert beaten == (t.number not in on)


def test_what_is_unknown_beats_nothing() -> None:
    """A trial without a token count or memory is dominated by its like with both."""
    known = measured(0, 2, 3, 2)
    uncounted = tuple(replace(s, output_tokens=None) for s in known.samples)
    unknown = [
        replace(known, number=1, samples=uncounted),
        replace(known, number=2, memory_bytes=None),
    ]

    assert [p.trial.number for p in frontier(STUDY, [*unknown, known])] == [0]
    assert [p.tokens_per_s for p in frontier(STUDY, unknown[:1])] == [None]


def test_pruned_trials_are_not_on_it() -> None:
    """A trial that was cut was not measured in full."""
    assert frontier(STUDY, [replace(measured(0, 1, 4, 1), state="pruned")]) == []


def test_unknown_memory_is_not_little_memory() -> None:
    """A trial of which nothing was seen does not beat one that is like it."""
    known, unknown = measured(0, 1, 4, 1), replace(measured(1, 1, 4, 1), memory_bytes=None)

    assert [p.trial.number for p in frontier(STUDY, [unknown, known])] == [0]
    assert len(frontier(STUDY, [unknown])) == 1


def _beats(one: Point, other: Point) -> bool:
    pairs = list(zip(one.costs, other.costs, strict=True))
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)
