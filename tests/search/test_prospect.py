"""What another round may bring, from trials alone."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from tests.workflow.measuring.test_compare import asked
from tests.workflow.worlds import study
from tuner.search.prospect import LEAST_TRIALS, prospect
from tuner.search.trial import Trial
from tuner.spec.space import Choices, Range
from tuner.spec.values import Guard, Slo

STUDY = study(
    guard=Guard(), slos=(Slo("e2e", 0.99, 0.5),),
    space={"temperature": Range(0.0, 1.0), "num_batch": Choices((32, 64, 128, 256))},
)  # fmt: skip


def trials(count: int, slope: float, highest: float = 1.0, seed: int = 0) -> list[Trial]:
    """Return trials of temperatures up to `highest`, which add `slope` to a log latency."""
    rng = np.random.default_rng(seed)
    return [_trial(i, highest * float(rng.random()), slope, rng) for i in range(count)]


def _trial(number: int, temperature: float, slope: float, rng: np.random.Generator) -> Trial:
    batch = int(rng.choice((32, 64, 128, 256)))
    seconds = math.exp(slope * temperature) * rng.lognormal(0.0, 0.02, 20)
    samples = tuple(asked(1, i, float(s)) for i, s in enumerate(seconds))
    short = math.log(float(seconds.max()) / 0.5)
    return Trial(
        number, {"temperature": temperature, "num_batch": batch}, "sampler", "complete",
        samples=samples, violations={str(STUDY.slos[0]): short},
    )  # fmt: skip


def gain(found: list[Trial], count: int = 20) -> float:
    """Return the gain that is expected of more trials."""
    expected = prospect(STUDY, found, count).gain
    assert expected is not None
    return expected


def test_few_trials_tell_nothing() -> None:
    """Unknown is not 0."""
    assert prospect(STUDY, trials(LEAST_TRIALS - 1, 1.0), 20).gain is None


def test_where_nothing_matters_nothing_is_expected() -> None:
    """The best of many trials that differ by chance is no sign of better ones."""
    assert gain(trials(30, 0.0)) < 0.02


def test_the_more_is_known_the_less_is_expected() -> None:
    """Of the same space after eighty trials less than after ten."""
    assert gain(trials(80, 1.0)) < gain(trials(20, 1.0)) < gain(trials(10, 1.0))


def test_more_trials_are_expected_to_bring_more() -> None:
    """And none bring nothing."""
    found = trials(15, -0.5, highest=0.5)

    assert 0.0 == gain(found, 0) < gain(found, 2) < gain(found, 30)


def test_a_space_without_a_candidate_left_promises_nothing() -> None:
    """Everything in it was tried."""
    space = {"num_batch": STUDY.space["num_batch"]}
    found = [replace(t, candidate={"num_batch": t.candidate["num_batch"]}) for t in trials(40, 0.1)]

    assert prospect(replace(STUDY, space=space), found, 20).gain == 0.0
