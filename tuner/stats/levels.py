"""Estimate the level of each block of requests, without the effects of its prompts.

A value is the level of its block, plus what its template adds, plus what its prompt adds to that,
plus noise. What templates and prompts add is random, with spreads that are estimated from the
values. So blocks that answered the same prompts are compared prompt by prompt, blocks with other
prompts of the same templates by template, and others by their means, each as far as it helps.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int_]

RATIOS = (0.0, 0.25, 1.0, 5.0, 30.0, 300.0, 1e4)
"""Variances between templates, and between prompts of one, that are tried: times the noise's."""


@dataclass(frozen=True, slots=True)
class Levels:
    """What was fitted: a level for each block, in order.

    `covariance` is that of the levels by noise and prompts alone, as if like blocks were equal;
    `noise` what is left of each value, `variance` the noise's.
    """

    level: Floats
    covariance: Floats
    noise: Floats
    variance: float


@dataclass(frozen=True, slots=True)
class _Fit:
    """A fit with given ratios, and how likely it makes the values (log, up to a constant)."""

    levels: Levels
    likelihood: float


def levels(
    values: npt.ArrayLike, block: Ints, template: Sequence[str], prompt: Sequence[str]
) -> Levels | None:
    """Return the levels of blocks; None where there are no more values than blocks.

    `values`: finite, shape (n,); `block`: which of the blocks 0, 1, ... each belongs to, none of
    them empty; `template` and `prompt`: names, a prompt's being its own within its template.
    Source: mixed models after Henderson (1975), variances by restricted likelihood (Patterson and
    Thompson 1971).
    """
    y = np.asarray(values, dtype=np.float64)
    count = int(block.max()) + 1 if y.size else 0
    if y.size <= count:
        return None
    prompts, templates = _codes([*zip(template, prompt, strict=True)]), _codes(template)
    order = np.lexsort((prompts, templates))
    groups = tuple(_Group.of(codes[order]) for codes in (prompts, templates))
    tried = [RATIOS if group.repeats else (0.0,) for group in groups]
    if prompts.max() == templates.max():
        tried[0] = (0.0,)  # each template has one prompt: they are the same
    columns = np.column_stack([np.eye(count)[block], y])[order]
    best = _likeliest(columns, groups, tried).levels
    return replace(best, noise=best.noise[np.argsort(order)])


def _likeliest(columns: Floats, groups: Sequence[_Group], tried: Sequence[Sequence[float]]) -> _Fit:
    """Return the best fit, looking for the templates' ratio, the prompts', and again the first."""
    ratios = [0.0, 0.0]
    for which in (1, 0, 1):
        fits = {}
        for ratio in tried[which]:
            ratios[which] = ratio
            fits[ratio] = _fit(columns, groups, ratios)
        ratios[which] = max(fits, key=lambda ratio: fits[ratio].likelihood)
    return fits[ratios[1]]


@dataclass(frozen=True, slots=True)
class _Group:
    """Runs of rows that share something: where each begins, and which run a row belongs to."""

    first: Ints
    run: Ints

    @classmethod
    def of(cls, codes: Ints) -> _Group:
        begins = np.r_[True, codes[1:] != codes[:-1]]
        return cls(np.flatnonzero(begins), np.cumsum(begins) - 1)

    @property
    def repeats(self) -> bool:
        """Tell whether any run has more than one row."""
        return self.first.size < self.run.size

    def without(self, columns: Floats, loads: Floats, weight: Floats) -> Floats:
        """Remove from each column what the rows of a run share, so that the rest is independent.

        Multiplies by the root of the inverse of I + ratio * loads loads' within each run.
        """
        shared = weight[:, None] * np.add.reduceat(loads[:, None] * columns, self.first)
        taken: Floats = columns - loads[:, None] * shared[self.run]
        return taken


def _fit(columns: Floats, groups: Sequence[_Group], ratios: Sequence[float]) -> _Fit:
    """Return the fit with these ratios for prompts and templates, by generalised least squares."""
    n, count = len(columns), columns.shape[1] - 1
    white, loads, determinant = columns, np.ones(n), 0.0
    steps = []
    for group, ratio in zip(groups, ratios, strict=True):
        size = np.add.reduceat(loads**2, group.first)
        step = partial(group.without, loads=loads, weight=(1 - (1 + ratio * size) ** -0.5) / size)
        white, loads = step(white), step(loads[:, None])[:, 0]
        determinant += float(np.log1p(ratio * size).sum())
        steps.append(step)
    blocks, y = white[:, :-1], white[:, -1]
    squares = blocks.T @ blocks
    level = np.asarray(np.linalg.solve(squares, blocks.T @ y), dtype=np.float64)
    left = (y - blocks @ level)[:, None]
    rest = max(float((left**2).sum()), 1e-12)
    for step in reversed(steps):
        left = step(left)
    variance = rest / (n - count)
    likelihood = (n - count) * np.log(rest) + determinant + np.linalg.slogdet(squares)[1]
    covariance: Floats = variance * np.linalg.inv(squares)
    return _Fit(Levels(level, covariance, left[:, 0], variance), -float(likelihood) / 2)


def _codes(names: Sequence[Hashable]) -> Ints:
    """Return names as numbers from 0."""
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return np.array([numbers[name] for name in names], dtype=np.int_)
