"""Gaussian processes: they find what was drawn from one, and know what they do not know."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize

from tuner.stats.gaussian import _centres, _gaps, _loss, _most_likely, fitted

ORDERED = np.zeros(2, dtype=bool)


def smooth(places: np.ndarray) -> np.ndarray:
    """Return a function of the first knob alone."""
    return np.asarray(np.sin(4 * places[:, 0]))


def test_what_was_observed_without_noise_is_predicted(rng: np.random.Generator) -> None:
    """At its observations the process is what was observed, with hardly any spread."""
    places = rng.random((20, 2))
    process = fitted(places, smooth(places), np.zeros(20), ORDERED)
    mean, spread = process.predict(places)

    assert mean == pytest.approx(smooth(places), abs=0.05)
    assert spread.max() < 0.1


def test_a_useless_knob_is_found_out(rng: np.random.Generator) -> None:
    """The length of a knob that does nothing is several times that of the one that matters."""
    places = rng.random((30, 2))
    process = fitted(places, smooth(places), np.full(30, 1e-4), ORDERED)

    assert process.shape.lengths[1] > process.shape.lengths[0] + 1


def test_far_from_all_observations_the_spread_is_wide(rng: np.random.Generator) -> None:
    """Nothing was seen above 0.5: a prediction there is less certain than among the seen."""
    places = rng.random((20, 2)) * 0.5
    process = fitted(places, smooth(places), np.full(20, 1e-3), ORDERED)
    _, spread = process.predict(np.array([[0.25, 0.25], [1.0, 0.25]]))

    assert spread[1] > 2 * spread[0]


def test_stated_noise_is_not_fitted(rng: np.random.Generator) -> None:
    """Of two values at one place the one of a hundredth of the variance weighs more."""
    places = np.array([[0.0, 0.0], [0.5, 0.5], [0.5, 0.5], [1.0, 1.0]])
    process = fitted(places, np.array([0.0, 1.0, 3.0, 4.0]), np.array([1, 0.01, 1, 1.0]), ORDERED)

    assert process.predict(places[1:2])[0][0] < 1.5


def test_words_have_no_order(rng: np.random.Generator) -> None:
    """Of an unordered knob the value between two others is not predicted from them."""
    places = np.repeat([[0.0], [0.5], [1.0]], 4, axis=0)
    values = np.repeat([1.0, 0.0, 1.0], 4) + rng.normal(0, 0.01, 12)
    process = fitted(places, values, np.full(12, 1e-4), np.array([True]))

    assert process.predict(np.array([[0.5]]))[0][0] == pytest.approx(0.0, abs=0.1)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_the_gradient_is_the_slope_of_the_loss(seed: int) -> None:
    """What is given to the optimiser agrees with finite differences at any point."""
    rng = np.random.default_rng(seed)
    gaps = _gaps(*(2 * [rng.random((8, 2))]), np.array([False, True]))
    targets, noise = rng.normal(size=8), rng.random(8)
    point = rng.normal(0, 0.5, size=4)
    found = _loss(point, gaps, targets, noise)[1]

    slopes = optimize.approx_fprime(point, lambda p: _loss(p, gaps, targets, noise)[0], 1e-6)
    assert found == pytest.approx(slopes, rel=1e-3, abs=1e-3)


def test_the_fit_is_better_than_the_start(rng: np.random.Generator) -> None:
    """The shape that was found loses less than the one before anything was known."""
    places = rng.random((25, 2))
    gaps, targets = _gaps(places, places, ORDERED), smooth(places)
    found = _most_likely(gaps, targets, np.full(25, 1e-3))

    def loss(lengths: np.ndarray, variance: float, noise: float) -> float:
        point = np.array([*lengths, variance, noise])
        return _loss(point, gaps, targets, np.full(25, 1e-3))[0]

    *lengths, variance, noise = _centres(2)
    assert loss(found.lengths, found.variance, found.noise) < loss(
        np.array(lengths), variance, noise
    )


def test_a_given_shape_is_kept(rng: np.random.Generator) -> None:
    """Conditioning on more observations with a fitted shape does not fit again."""
    places = rng.random((12, 2))
    first = fitted(places[:8], smooth(places[:8]), np.zeros(8), ORDERED)
    then = fitted(places, smooth(places), np.zeros(12), ORDERED, first.shape)

    assert then.shape is first.shape


def test_nothing_observed_is_refused() -> None:
    """Without observations there is no process."""
    with pytest.raises(ValueError, match="at least one"):
        fitted(np.zeros((0, 2)), np.zeros(0), np.zeros(0), ORDERED)
