"""Gaussian processes: what a few noisy trials say about settings that were not tried.

Never for verdicts: they assume that nearby settings behave alike.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_ITERATIONS = 40
_JITTER = 1e-6  # of the variance: keeps the factorisation stable where places coincide
_LENGTH_SPREAD = math.sqrt(3)
_NOISE = -4.0, 1.5
"""Prior on the logarithm of the noise's variance that was not stated, relative to the spread."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What is fitted: logarithms of a length for each knob, of the variance and of the noise."""

    lengths: Floats
    variance: float
    noise: float


@dataclass(frozen=True, slots=True)
class Process:
    """A process conditioned on observations; `shape` is what was fitted."""

    shape: Shape
    unordered: Bools
    places: Floats
    weights: Floats
    inverse: Floats
    centre: float
    scale: float

    def predict(self, places: Floats) -> tuple[Floats, Floats]:
        """Return mean and standard deviation of the function at `places` (k, d), without noise."""
        between, _ = _kernel(_gaps(places, self.places, self.unordered), self.shape)
        explained = np.einsum("ij,jk,ik->i", between, self.inverse, between)
        spread = np.sqrt(np.maximum(math.exp(self.shape.variance) - explained, 1e-9))
        return self.centre + self.scale * (between @ self.weights), self.scale * spread


def fitted(
    places: Floats,
    values: Floats,
    variances: Floats,
    unordered: Bools,
    shape: Shape | None = None,
) -> Process:
    """Fit a process to observations, or condition one of a given shape on them.

    `places`: (n, d), each knob in [0, 1]; of `unordered` knobs only equal or not counts.
    `values`: (n,) with the known `variances` (n,) of their noise; noise besides is fitted.
    Matern kernel with smoothness 5/2 and a length for each knob, the mode of the posterior by
    L-BFGS (Rasmussen and Williams, 2006, sections 4.2 and 5.4). Time O(n^3).

    Raises ValueError without observations.
    """
    if not len(values):
        raise ValueError("need at least one observation")
    centre, scale = float(values.mean()), float(values.std()) or 1.0
    targets, noise = (values - centre) / scale, variances / scale**2
    gaps = _gaps(places, places, unordered)
    shape = shape or _most_likely(gaps, targets, noise)
    covariance, _ = _kernel(gaps, shape)
    own = math.exp(shape.noise) + _JITTER
    inverse: Floats = np.linalg.inv(covariance + np.diag(noise + own)).astype(np.float64)
    return Process(shape, unordered, places, inverse @ targets, inverse, centre, scale)


def _most_likely(gaps: Floats, targets: Floats, noise: Floats) -> Shape:
    from scipy import optimize  # takes a tenth of a second, which `tune --help` must not

    knobs = gaps.shape[0]
    found = optimize.minimize(
        _loss,
        _centres(knobs),
        args=(gaps, targets, noise),
        jac=True,
        method="L-BFGS-B",
        bounds=[(-3, 6)] * knobs + [(-4, 4), (-9, 1)],
        options={"maxiter": _ITERATIONS},
    )
    return _shape(found.x)


def _loss(point: Floats, gaps: Floats, targets: Floats, noise: Floats) -> tuple[float, Floats]:
    """Return the negative logarithm of the posterior and its gradient."""
    shape = _shape(point)
    covariance, slope = _kernel(gaps, shape)
    own = math.exp(shape.noise)
    factor = np.linalg.cholesky(covariance + np.diag(noise + own + _JITTER))
    inverse = np.linalg.inv(factor)
    inverse = inverse.T @ inverse
    weights = inverse @ targets
    pull = np.outer(weights, weights) - inverse
    lengths = np.einsum("ij,ij,dij->d", pull, slope, gaps) * np.exp(-2 * shape.lengths)
    gradient = -0.5 * np.array([*lengths, (pull * covariance).sum(), own * np.trace(pull)])
    loss = 0.5 * float(targets @ weights) + float(np.log(np.diag(factor)).sum())
    away = (point - _centres(len(lengths))) / _spreads(len(lengths))
    return loss + 0.5 * float(away @ away), gradient + away / _spreads(len(lengths))


def _kernel(gaps: Floats, shape: Shape) -> tuple[Floats, Floats]:
    """Return Matern 5/2 covariances, and their slope in the logarithm of a length per gap."""
    scaled = np.tensordot(np.exp(-2 * shape.lengths), gaps, axes=1)
    far = np.sqrt(5 * scaled)
    decay = math.exp(shape.variance) * np.exp(-far)
    return decay * (1 + far + 5 / 3 * scaled), decay * (1 + far) * 5 / 3


def _gaps(a: Floats, b: Floats, unordered: Bools) -> Floats:
    """Return squared distances per knob, of shape (d, len(a), len(b))."""
    apart = a.T[:, :, None] - b.T[:, None, :]
    return np.where(unordered[:, None, None], apart != 0, apart**2)


def _shape(point: Floats) -> Shape:
    return Shape(point[:-2], float(point[-2]), float(point[-1]))


def _centres(knobs: int) -> Floats:
    """Return the prior's centre, and where a fit starts.

    Lengths grow with the root of the number of knobs, so that many knobs do not make
    everything unlike everything (Hvarfner, Hellsten and Nardi, 2024).
    """
    length = math.sqrt(2) + 0.5 * math.log(knobs)
    return np.array([length] * knobs + [0.0, _NOISE[0]])


def _spreads(knobs: int) -> Floats:
    return np.array([_LENGTH_SPREAD] * knobs + [1.0, _NOISE[1]])
