"""How much comes to a server, as far as the figures tell it apart from p99."""

from __future__ import annotations

import numpy as np

from tuner.advice.diagnosis.figures import Figures
from tuner.advice.queueing import FULL, Traffic, sojourn
from tuner.advice.span import Span

LEAST_CV = 0.1
"""Service times vary at least so much, where nobody knows: answers differ in length. The answers
that the packaged study expects vary by 0.34 (standard deviation of their characters over the mean).
"""

LIKELY_CV = 0.3
MOST_CV = 1.0
"""Lengths of texts vary by about their mean at most: then they are geometric, one chance to end at
each token."""

BUSY_LOW, BUSY_HIGH = 0.7, 1.4
"""The load of a slot over the share of time with a kernel on the GPU: above 1, as a server also
spends time beside its kernels, below 1, as other programs run kernels too. An assumption."""

RATE_WITHIN = 0.1
"""A rate that somebody tells is taken to be exact to this share."""

UTILISATIONS = tuple(round(0.05 * step, 2) for step in range(20))
"""Utilisations at which queues are looked at."""


def load_of(found: Figures, cv: float) -> Span | None:
    """Return the load in Erlang that the figures tell apart from p99, None where they tell none.

    From the rate, it is the load at which p50 comes out; from the GPU, its share of busy time,
    within BUSY_LOW and BUSY_HIGH, where there is one slot. A closed loop has none.
    """
    slots, most = found.slots or 1, FULL * (found.slots or 1)
    if found.in_flight is not None:
        return None
    if found.rate is not None and found.p50 is not None:
        load = _by_rate(found.rate, found.p50 - (found.network or 0.0), slots, cv)
        return Span((1 - RATE_WITHIN) * load, load, max(load, min(most, (1 + RATE_WITHIN) * load)))
    if found.gpu_util is not None and slots == 1:
        likely = min(most, found.gpu_util)
        return Span(BUSY_LOW * likely, likely, max(likely, min(most, BUSY_HIGH * likely)))
    return None


def _by_rate(rate: float, p50: float, slots: int, cv: float) -> float:
    """Return the load at which requests at a rate have their p50: service = load / rate."""
    loads = [slots * u for u in UTILISATIONS[1:]]
    p50s = [sojourn(Traffic(load, rounded(cv)), slots).p50 * load / rate for load in loads]
    return float(np.interp(p50, [0.0, *p50s], [0.0, *loads]))


def wait_share(load: float, slots: int, cv: float) -> float:
    """Return the share of p50 that a usual request waits."""
    alone = sojourn(Traffic(0.0, rounded(cv))).p50
    seen = sojourn(Traffic(min(load, 0.95 * slots), rounded(cv)), slots).p50
    return max(0.0, 1 - alone / seen)


def usual_wait(found: Figures) -> float:
    """Return the seconds of p50 that a usual request surely waits: by what is measured or counted.

    What a GPU is busy for tells too little of that.
    """
    if found.queue is not None:
        return found.queue
    p50, slots = found.p50 or 0.0, found.slots or 1
    if found.in_flight is not None:
        return p50 * max(0.0, 1 - slots / found.in_flight)
    if found.rate is None:
        return 0.0
    load = load_of(found, LIKELY_CV)
    return 0.0 if load is None else p50 * wait_share(load.likely, slots, LIKELY_CV)


def rounded(cv: float) -> float:
    """Return a cv as it is looked at: to two digits, so that queues are found again."""
    return round(float(cv), 2)
