"""Dimensions of a space in Optuna's terms: numeric choices are an ordered index, no category."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from tuner.spec.space import Choices, Dimension, Space
from tuner.spec.values import Candidate, Setting


def distribution(dimension: Dimension) -> BaseDistribution:
    """Return Optuna's distribution: numeric choices are an ordered index, not a category.

    So are steps with fractions, of which Optuna asks that they add up to the end exactly.
    """
    if _indexed(dimension):
        return IntDistribution(0, len(dimension) - 1)
    if isinstance(dimension, Choices):
        return CategoricalDistribution(dimension.values)
    if dimension.integer:
        low, last = int(dimension.low), int(dimension.last)
        return IntDistribution(low, last, dimension.log, int(dimension.grain))
    return FloatDistribution(dimension.low, dimension.high, dimension.log)


def _indexed(dimension: Dimension) -> bool:
    if isinstance(dimension, Choices):
        return dimension.ordered
    return dimension.step is not None and not dimension.integer


def decode(dimension: Dimension, param: Any) -> Setting:
    """Return the setting that a parameter of Optuna's stands for."""
    if isinstance(dimension, Choices):
        return dimension.values[param] if dimension.ordered else param  # type: ignore[no-any-return]
    if _indexed(dimension):
        return dimension.nearest(dimension.low + param * dimension.grain)
    return dimension.nearest(param)


def encode(dimension: Dimension, value: Setting) -> Any:
    """Return the parameter that stands for a setting."""
    if isinstance(dimension, Choices):
        return dimension.values.index(value) if dimension.ordered else value
    nearest = dimension.nearest(float(value))
    if _indexed(dimension):
        return round((float(nearest) - dimension.low) / dimension.grain)
    return nearest


def contains(space: Space, candidate: Candidate) -> bool:
    """Tell whether all values of a candidate lie inside the space."""
    return all(dimension.contains(candidate[name]) for name, dimension in space.items())


def place(space: Space, candidate: Candidate) -> list[float]:
    """Return where a candidate inside the space lies, each knob in [0, 1].

    Choices lie evenly; those of `unordered` knobs have no order, only a place of their own.
    """
    return [_place(dimension, candidate[name]) for name, dimension in space.items()]


def unordered(space: Space) -> npt.NDArray[np.bool_]:
    """Tell of which knobs only equal or not counts."""
    return np.array([isinstance(d, Choices) and not d.ordered for d in space.values()])


def value_at(dimension: Dimension, share: float) -> Setting:
    """Return the value at a share in [0, 1) of a dimension."""
    if isinstance(dimension, Choices):
        return dimension.values[int(share * len(dimension))]
    if dimension.log:
        return dimension.nearest(dimension.low * (dimension.high / dimension.low) ** share)
    return dimension.nearest(dimension.low + share * (dimension.high - dimension.low))


def _place(dimension: Dimension, value: Setting) -> float:
    if isinstance(dimension, Choices):
        return dimension.values.index(value) / max(len(dimension) - 1, 1)
    number, low, high = float(value), dimension.low, dimension.high
    if dimension.log:
        number, low, high = math.log(number), math.log(low), math.log(high)
    return (number - low) / (high - low) if high > low else 0.0
