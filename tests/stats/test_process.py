"""A process of several knobs tells what is known, and how surely."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from tuner.stats.process import Process

Floats = npt.NDArray[np.float64]


def gaps(a: Floats, b: Floats) -> Floats:
    """Return the distances of places by each knob, shape (knobs, a, b)."""
    return np.abs(a[:, None, :] - b[None, :, :]).transpose(2, 0, 1)


@pytest.fixture
def places() -> Floats:
    """Give forty places with two knobs each."""
    return np.random.default_rng(1).random((40, 2))


def test_what_was_measured_surely_is_known(places: Floats) -> None:
    """At a place that was measured without noise the process knows the value."""
    values = np.sin(3 * places[:, 0])
    mean, sd = Process.of(gaps(places, places), values, np.zeros(40)).expected(gaps(places, places))

    assert mean == pytest.approx(values, abs=0.01)
    assert sd.max() < 0.01


def test_a_knob_that_matters_is_told_from_one_that_does_not(places: Floats) -> None:
    """Its part of the variance is the larger one; the other is never none."""
    found = Process.of(gaps(places, places), 2 * places[:, 0], np.full(40, 1e-4))

    assert found.parts[0] > 5 * found.parts[1] > 0


def test_noise_is_not_taken_for_a_difference(places: Floats) -> None:
    """Of values that differ by chance alone it expects far less than they differ."""
    values = np.random.default_rng(2).normal(0.0, 0.1, 40)
    new = np.random.default_rng(3).random((30, 2))
    mean, _ = Process.of(gaps(places, places), values, np.full(40, 0.01)).expected(
        gaps(places, new)
    )

    assert mean.std() < 0.5 * values.std()


def test_most_new_values_lie_within_what_it_says(places: Floats) -> None:
    """Of values with a step in one knob and a slope in the other, within two deviations."""

    def value(at: Floats) -> Floats:
        return np.where(at[:, 0] > 0.7, 0.5, 0.0) + 0.3 * at[:, 1]

    new = np.random.default_rng(4).random((200, 2))
    process = Process.of(gaps(places, places), value(places), np.full(40, 1e-4))
    mean, sd = process.expected(gaps(places, new))

    assert np.mean(np.abs(value(new) - mean) < 2 * sd) > 0.9


def test_draws_have_the_mean_and_the_deviation(places: Floats) -> None:
    """What is drawn at new places is distributed as it is expected."""
    new, rng = np.random.default_rng(5).random((4, 2)), np.random.default_rng(6)
    process = Process.of(gaps(places, places), places[:, 0], np.full(40, 0.01))
    mean, sd = process.expected(gaps(places, new))
    drawn = process.draws(gaps(places, new), gaps(new, new), 20_000, rng)

    assert drawn.mean(axis=0) == pytest.approx(mean, abs=0.02)
    assert drawn.std(axis=0) == pytest.approx(sd, rel=0.05)
