"""Ranges and choices: each value that they give lies in them and is of the knob's kind."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from optuna.trial import create_trial

from tests.search.test_hints import STUDY
from tests.spec.test_study import loaded
from tuner.engines.llamacpp.engine import KNOBS
from tuner.search.encoding import decode, distribution, encode
from tuner.search.hints import values as hinted
from tuner.search.trial import Trial
from tuner.spec.errors import InputError
from tuner.spec.space import Choices, Range, like, value_at

NUMBERS = st.floats(-1e6, 1e6) | st.integers(-(10**6), 10**6)


@st.composite
def ranges(draw: st.DrawFn) -> Range:
    """Return any range that a study check accepts."""
    low, high = sorted((draw(NUMBERS), draw(NUMBERS)))
    assume(high - low > 1e-6)
    kind = draw(st.sampled_from(("plain", "log", "step")))
    if kind == "log":
        assume(low > 1e-9)
        return Range(low, high, log=True)
    share = draw(st.floats(1e-3, 1))
    step = (high - low) * share if kind == "step" else None
    whole = isinstance(low, int) and isinstance(high, int) and step is not None and step >= 1
    return Range(low, high, int(step) if whole and step is not None else step)


@given(ranges(), st.sampled_from((8, 0.5, "auto")), st.floats(0, 1, exclude_max=True))
def test_every_value_of_a_range_is_one(asked: Range, default: Any, share: float) -> None:
    """Drawn, moved to or read back from Optuna: inside, whole where the knob is, and itself."""
    dimension = asked.like(default)
    value = value_at(dimension, share)

    assert isinstance(value, int if dimension.integer else float)
    for found in (value, *dimension.neighbours(value)):
        assert dimension.contains(found)
        assert dimension.nearest(float(found)) == pytest.approx(found)
        assert decode(dimension, encode(dimension, found)) == pytest.approx(found)
        # Optuna refuses a trial whose parameter lies outside of its distribution
        create_trial(
            params={"x": encode(dimension, found)},
            distributions={"x": distribution(dimension)},
            value=0.0,
        )


@pytest.mark.parametrize(
    ("given", "default", "whole"),
    [
        (Range(4, 64), 8, True), (Range(4, 64), "auto", True), (Range(0, 1), 0.8, False),
        (Range(4.0, 64.0), 8, True), (Range(0.0, 1.0), "auto", False), (Range(1, 100), 0.5, False),
        (Range(1, 100, log=True), 40, True), (Range(1.0, 8.0, 1.0), 8, True),
        (Range(0, 2, 1), 1.0, False), (Range(0.5, 4), 8, False), (Range(1, 4, 0.5), 8, False),
    ],
)  # fmt: skip
def test_whole_where_the_default_is_or_else_both_ends(
    given: Range, default: Any, whole: bool
) -> None:
    """What cannot be whole stays as it is, for the check to refuse."""
    assert given.like(default).integer is whole


@given(st.integers(1, 10**6), st.integers(1, 10**6), st.floats(0, 1, exclude_max=True))
def test_whole_numbers_are_whole(low: int, width: int, share: float) -> None:
    """4 to 64 for a knob of whole numbers never gives 39.09."""
    for log in (False, True):
        assert isinstance(value_at(Range(low, low + width, log=log), share), int)


def test_small_numbers_are_told_apart() -> None:
    """A range below a thousandth is not rounded to nothing."""
    found = {value_at(Range(1e-5, 1e-3, log=True), n / 20) for n in range(20)}

    assert len(found) == 20
    assert all(1e-5 <= float(v) <= 1e-3 for v in found)
    assert value_at(Range(0.0, 1e-4), 0.5) == pytest.approx(5e-5)


def test_a_step_that_does_not_reach_the_end_ends_before_it() -> None:
    """24, 28: the next one would be 32, beyond 30."""
    dimension = Range(24, 30, 4)

    assert [dimension.nearest(v) for v in (24, 27, 29, 30)] == [24, 28, 28, 28]
    assert len(dimension) == 2
    assert Range(0.0, 1.0, 0.3).last == 0.9
    assert len(Range(0.0, 0.9, 0.1)) == 10


def test_neighbours_in_a_narrow_range_of_whole_numbers() -> None:
    """A quarter of the way is less than one, and one is the least that can be moved."""
    assert set(Range(0, 2).neighbours(1)) == {0, 2}
    assert set(Range(1, 4, log=True).neighbours(2)) == {1, 3}


def test_choices_tell_kinds_apart() -> None:
    """1, "1" and true are three values; 64 and 64.0 are one."""
    assert not Choices((1, 2)).contains(True)
    assert not Choices(("1",)).contains(1)
    assert Choices((64,)).contains(64.0)
    assert (like(8, 64.0), like(8, 0.5), like(0.8, 1), like("a", 1.0)) == (64, 0.5, 1, 1.0)
    assert isinstance(like(8, 64.0), int)


@pytest.mark.parametrize("dimension", [Choices(("low", "high")), Choices((True, False))])
def test_knobs_with_words_give_no_hints(dimension: Choices) -> None:
    """A server of one's own may call its words as others call a number."""
    trial = Trial(0, {"num_predict": "low", "temperature": "low"}, "sampler", "complete")

    for name in ("num_predict", "temperature"):
        assert hinted(STUDY, KNOBS, trial, name, dimension) == ()


@pytest.mark.parametrize(
    ("space", "said"),
    [
        ({"low": 1, "high": math.inf}, "YAML reads .inf as inf; write it in quotes"),
        ({"low": 1, "high": 10**20}, "space.num_ctx.high: expected a finite number"),
        ({"low": 1, "high": 9, "step": 2, "log": True}, "a log range has no step"),
        ({"low": "1e2", "high": 900}, "YAML reads 1e2 as text; write 100 or 1.0e+2"),
        ([1, 2, 1], "space.num_ctx: 1 stands twice"),
        ([1, 1.0], "1.0 stands twice"),
        (["a", "a"], "'a' stands twice"),
        (["1e-5"], "YAML reads 1e-5 as text; write 1.0e-5"),
        ([10**400], "a number of 401 characters"),
    ],
)
def test_dimensions_that_no_search_could_use(tmp_path: Any, space: Any, said: str) -> None:
    """They are refused when the study is read, not in the middle of a run."""
    with pytest.raises(InputError) as error:
        loaded(tmp_path, space={"num_ctx": space})

    assert said in str(error.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"search": {"seed": -1}}, "search.seed: expected greater than or equal to 0, found -1"),
        ({"search": {"budget": 10**20}}, "search.budget: expected a duration"),
        ({"search": {"budget": "1.5.5h"}}, "search.budget: expected a duration such as"),
        ({"slo": [{"metric": "e2e", "max_ms": "inf"}]}, "slo.0.max_ms: expected a finite number"),
        ({"baseline": {"num_ctx": "1e2"}}, "baseline.num_ctx: expected a number: YAML reads 1e2"),
        ({"workload": {"prompts": "p.jsonl", "load": {"rate": "nan"}}}, "load.rate: expected a f"),
    ],
)
def test_numbers_that_no_run_could_use(tmp_path: Any, changes: Any, said: str) -> None:
    """Neither infinite ones nor seeds below zero come as far as an engine."""
    with pytest.raises(InputError) as error:
        loaded(tmp_path, **changes)

    assert said in str(error.value)
