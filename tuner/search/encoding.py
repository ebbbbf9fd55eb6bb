"""Dimensions of a space in Optuna's terms: numeric choices are an ordered index, no category."""

from __future__ import annotations

from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from tuner.spec.space import Choices, Dimension, Range
from tuner.spec.values import Setting


def distribution(dimension: Dimension) -> BaseDistribution:
    """Return Optuna's distribution: numeric choices are an ordered index, not a category."""
    if isinstance(dimension, Choices):
        if dimension.ordered:
            return IntDistribution(0, len(dimension) - 1)
        return CategoricalDistribution(dimension.values)
    if dimension.integer:
        step = 1 if dimension.log else int(dimension.step or 1)
        return IntDistribution(int(dimension.low), int(dimension.high), dimension.log, step)
    return FloatDistribution(dimension.low, dimension.high, dimension.log, dimension.step)


def decode(dimension: Dimension, param: Any) -> Setting:
    """Return the setting that a parameter of Optuna's stands for."""
    if isinstance(dimension, Range):
        return dimension.nearest(param)
    return dimension.values[param] if dimension.ordered else param  # type: ignore[no-any-return]


def encode(dimension: Dimension, value: Setting) -> Any:
    """Return the parameter that stands for a setting."""
    if isinstance(dimension, Choices) and dimension.ordered:
        return dimension.values.index(value)
    return dimension.nearest(float(value)) if isinstance(dimension, Range) else value
