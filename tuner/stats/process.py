"""A Gaussian process of what several knobs make together: each by itself, and all jointly.

The mean and covariance of what is not known yet are those of Rasmussen and Williams, Gaussian
Processes for Machine Learning, 2006, equations 2.25 and 2.26; the variances of its parts are those
of the largest marginal likelihood (2.30) on a grid. That a knob acts by itself is the additive
kernel of Duvenaud, Nickisch and Rasmussen (2011), of first order, with one of all knobs beside it.
All are exponential (4.18), since settings such as limits make steps, beyond which a smooth process
promises much where there is nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
from scipy import linalg

Floats = npt.NDArray[np.float64]

ALONE, TOGETHER = 0.5, 0.3
"""Distances, as shares of a knob's range, at which values tell of each other: those of one knob by
itself, and of all knobs together."""

GRID = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
"""Variances that a part may have, as shares of that of all values. None has none: that a knob does
nothing is not known from a few values of it."""

SWEEPS = 2

STEADY = 1e-6
"""Added to variances, so that matrices can be inverted: a standard deviation of a thousandth."""


@dataclass(frozen=True, slots=True)
class Process:
    """What is known of a value: `gaps` (d, n, n) between the n places where it was measured.

    `left` (n,) is how far each value lies from `centre`, `noise` (n,) the variance of measuring it,
    `parts` (d + 1,) are the variances of each knob and of all together.
    """

    gaps: Floats
    left: Floats
    noise: Floats
    centre: float
    parts: Floats

    @classmethod
    def of(cls, gaps: Floats, values: Floats, noise: Floats) -> Process:
        """Return the process that explains values best; shapes (d, n, n), (n,), (n,)."""
        centre = float(values.mean())
        left, kernels = values - centre, _kernels(gaps)
        variance = float((left**2).mean())
        parts = np.full(len(kernels), GRID[2]) * variance

        def unlikely(index: int, share: float) -> float:
            tried = parts.copy()
            tried[index] = share * variance
            return _unlikely(np.tensordot(tried, kernels, 1), left, noise)

        for index in [*range(len(kernels))] * SWEEPS:
            parts[index] = variance * min(GRID, key=partial(unlikely, index))
        return cls(gaps, left, noise, centre, parts)

    def expected(self, across: Floats) -> tuple[Floats, Floats]:
        """Return mean (k,) and standard deviation (k,) of the value at k more places.

        `across` (d, n, k) are their gaps from the places that are known.
        """
        cross, solved = self._solved(across)
        variance = self.parts.sum() - (cross * solved).sum(axis=0)
        return self.centre + solved.T @ self.left, np.sqrt(np.maximum(variance, 0.0))

    def draws(self, across: Floats, within: Floats, count: int, rng: np.random.Generator) -> Floats:
        """Return draws (count, k) of the values at k more places, with gaps `within` (d, k, k)."""
        cross, solved = self._solved(across)
        joint = np.tensordot(self.parts, _kernels(within), 1) - cross.T @ solved
        root = linalg.cholesky(joint + STEADY * np.eye(joint.shape[0]), lower=True)
        noise = rng.standard_normal((count, joint.shape[0])) @ root.T
        return np.asarray(self.centre + solved.T @ self.left + noise)

    def _solved(self, across: Floats) -> tuple[Floats, Floats]:
        """Return the covariance (n, k) with the places that are known, plain and solved for."""
        ours, cross = (np.tensordot(self.parts, _kernels(g), 1) for g in (self.gaps, across))
        found = linalg.cho_factor(ours + np.diag(self.noise + STEADY), lower=True)
        return cross, linalg.cho_solve(found, cross)


def _kernels(gaps: Floats) -> Floats:
    """Return how alike places are by each knob (d, ...), and by all together as the last one."""
    alone = np.exp(-gaps / ALONE)
    together = np.exp(-np.sqrt((gaps**2).sum(axis=0)) / TOGETHER)
    return np.concatenate([alone, together[None]])


def _unlikely(covariance: Floats, left: Floats, noise: Floats) -> float:
    """Return minus twice the log marginal likelihood, up to a constant."""
    found = linalg.cho_factor(covariance + np.diag(noise + STEADY), lower=True)
    logs = 2 * float(np.log(np.diag(found[0])).sum())
    return float(left @ linalg.cho_solve(found, left)) + logs
