"""Translate dimensions and settings to Optuna's terms and back."""

from __future__ import annotations

from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from tuner.spec.space import Choices, Dimension, Space
from tuner.spec.values import Candidate, Setting


def distribution(dimension: Dimension) -> BaseDistribution:
    """Return Optuna's distribution of a dimension.

    Numeric choices become an ordered index, not a category. So do ranges with fractional steps,
    since Optuna wants steps to add up to the end exactly.
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
