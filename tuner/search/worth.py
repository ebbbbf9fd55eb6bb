"""How much a candidate is expected to bring, so that dear starts go to those that are worth them.

Trials near a candidate tell what to expect of it: their ranks are averaged with a Gaussian kernel
(Nadaraya 1964, Watson 1964), and the less is known nearby, the wider the guess. What counts is the
expected improvement over the best trial (Mockus 1978), divided by the seconds it costs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import scipy

from tuner.search.trial import Trial
from tuner.spec.space import Choices, Dimension, Space
from tuner.spec.values import Candidate, Setting

NEAR = 0.3
"""The distance, as a share of a knob's range, at which a trial tells a good part of its rank."""

PRIOR = 0.5
"""The weight of knowing nothing: a rank in the middle."""


def improvements(
    space: Space, trials: Sequence[Trial], candidates: Sequence[Candidate]
) -> list[float]:
    """Return the expected improvement of each candidate, in ranks from 0 to 1."""
    if not trials:
        return [1.0] * len(candidates)
    merits = _merits(trials)
    return [_improvement(space, trials, merits, candidate) for candidate in candidates]


def _merits(trials: Sequence[Trial]) -> list[float]:
    """Return a number for each trial: 1 for the best, 0 for the worst."""
    order = sorted(range(len(trials)), key=lambda i: trials[i].rank())
    merits = [0.0] * len(trials)
    for place, i in enumerate(order):
        merits[i] = 1 - place / max(len(trials) - 1, 1)
    return merits


def _improvement(
    space: Space, trials: Sequence[Trial], merits: Sequence[float], candidate: Candidate
) -> float:
    apart = np.array([distance(space, candidate, t.candidate) for t in trials])
    weights = np.exp(-0.5 * (apart / NEAR) ** 2)
    total = float(weights.sum()) + PRIOR
    mean = (float(weights @ np.array(merits)) + PRIOR / 2) / total
    spread = 0.5 / math.sqrt(1 + total / PRIOR)
    z = (mean - 1) / spread
    density = math.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)
    return float((mean - 1) * scipy.special.ndtr(z) + spread * density)


def distance(space: Space, a: Candidate, b: Candidate) -> float:
    """Return how far apart two candidates are: the root of the knobs' squared shares."""
    gaps = (gap(d, a[name], b[name]) for name, d in space.items())
    return math.sqrt(sum(apart * apart for apart in gaps))


def gap(dimension: Dimension, a: Setting, b: Setting) -> float:
    """Return how far apart two values are, 1 for the ends of a range or unlike words."""
    if a == b:
        return 0.0
    if isinstance(dimension, Choices):
        if not dimension.ordered or not {a, b} <= set(dimension.values):
            return 1.0
        places = dimension.values.index(a), dimension.values.index(b)
        return abs(places[0] - places[1]) / (len(dimension) - 1)
    if isinstance(a, str) or isinstance(b, str):
        return 1.0
    if dimension.log and a > 0 and b > 0:
        return abs(math.log(a / b)) / math.log(dimension.high / dimension.low)
    return abs(a - b) / (dimension.high - dimension.low)
