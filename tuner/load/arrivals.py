"""When requests are to be sent."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tuner.spec.values import Load


def offsets_s(load: Load, rng: np.random.Generator) -> Iterator[float]:
    """Yield planned sending times of an open loop in seconds from the start, without end.

    Poisson arrivals have exponential gaps of mean 1/rate; constant ones equal gaps. Raises
    ValueError for a closed loop, where the server's answers set the pace.
    """
    if load.rate is None:
        raise ValueError("a closed loop has no planned arrivals")
    at = 0.0
    while True:
        yield at
        gap = 1.0 / load.rate
        at += float(rng.exponential(gap)) if load.arrivals == "poisson" else gap
