"""A knob is dropped only where pairs of trials show that its values are alike."""

from __future__ import annotations

import numpy as np

from tuner.search.equivalent import equivalent
from tuner.search.trial import Trial
from tuner.spec.space import Choices, Range
from tuner.spec.values import Sample

SPACE = {"flag": Choices((1, 2)), "other": Range(0.0, 1.0)}
SECOND = 10**9


def sample(seconds: float, guard: str = "correct") -> Sample:
    """Return a served sample that took so long."""
    end = int(seconds * SECOND)
    return Sample("p", "k", 0, 0, end // 2, end, 0, 5, 4, "stop", "ok", None, "a", guard)  # type: ignore[arg-type]


def trials(ratio: float, n: int = 400, spread: float = 0.1, pairs: int = 6) -> list[Trial]:
    """Return pairs of trials: the second of each takes `ratio` times as long."""
    rng = np.random.default_rng(1)
    found = []
    for pair in range(pairs):
        for flag, times in ((1, 1.0), (2, ratio)):
            samples = tuple(sample(float(s)) for s in times * rng.lognormal(0, spread, n))
            candidate = {"flag": flag, "other": pair / pairs}
            found.append(Trial(len(found), candidate, "sampler", "complete", samples=samples))
    return found


def names(found: list[Trial]) -> set[str]:
    """Return the knobs that are found to make no difference."""
    return set(equivalent(SPACE, found, "e2e", ["flag"]))


def test_values_that_are_alike_are_found() -> None:
    """Many requests that take the same time show it."""
    (why,) = equivalent(SPACE, trials(1.0), "e2e", ["flag"]).values()

    assert "no difference above 5% in e2e between 6 pairs of trials" in why


def test_a_difference_keeps_a_knob() -> None:
    """Ten percent is more than what counts as none."""
    assert names(trials(1.1)) == set()
    assert names(trials(1 / 1.1)) == set()


def test_too_little_shows_nothing() -> None:
    """Few pairs, or few and scattered requests, leave the question open."""
    assert names(trials(1.0, pairs=3)) == set()
    assert names(trials(1.0, n=20, spread=0.5)) == set()


def test_a_value_that_was_never_tried_keeps_a_knob() -> None:
    """All values have to be tied together by pairs."""
    space = {**SPACE, "flag": Choices((1, 2, 4))}

    assert equivalent(space, trials(1.0), "e2e", ["flag"]) == {}


def test_worse_answers_keep_a_knob() -> None:
    """The same time with fewer right answers is a difference."""
    worse = [
        t if t.candidate["flag"] == 1
        else Trial(t.number, t.candidate, t.origin, t.state,
                   samples=tuple(sample(1.0, "wrong_fields") for _ in t.samples))
        for t in trials(1.0)
    ]  # fmt: skip

    assert names(worse) == set()


def test_a_wide_range_is_not_tested() -> None:
    """Of a knob with many values pairs say little."""
    assert equivalent(SPACE, trials(1.0), "e2e", ["other"]) == {}


def test_trials_that_differ_in_more_are_no_pair() -> None:
    """What else differs could explain it."""
    moved = [Trial(t.number, {**t.candidate, "other": t.number / 20}, t.origin, t.state,
                   samples=t.samples) for t in trials(1.0)]  # fmt: skip

    assert names(moved) == set()
