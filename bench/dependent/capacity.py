"""Measure one load, or search for the highest, as `tune capacity` does, in a drawn world."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np

from bench.dependent.draws import Floats, World
from bench.dependent.judge import as_samples, study
from tuner.evaluate.capacity import Capacity, Level
from tuner.evaluate.lateness import Terms
from tuner.evaluate.measured import Measured
from tuner.evaluate.measurement import measurement
from tuner.search.budget import LEAST_WAVES, proof_requests
from tuner.spec.study import Study
from tuner.spec.values import Load
from tuner.workflow.measuring.capacity import PATIENCE, alpha_of_each, path
from tuner.workflow.measuring.measure import decided


def level(asked: Study, world: World, rng: np.random.Generator, terms: Terms) -> Level:
    """Return what one load comes to: requests come back until the verdict falls."""
    in_flight = asked.workload.load.concurrency
    least = LEAST_WAVES * in_flight
    most = max(least, math.ceil(PATIENCE * proof_requests(asked, terms.alpha)))
    drew = world(rng)(most)
    session = SimpleNamespace(study=asked, left_s=lambda: 1.0)
    stop = decided(session, terms, least=least)
    ended = drew.sent_s + drew.latency_s
    samples = as_samples(drew)
    seen = next((i for i in np.argsort(ended, kind="stable") if stop(samples[i])), None)
    # What is in flight when it stops is waited for, and nothing more is sent.
    kept = samples if seen is None else samples[: _sent_by(drew.sent_s, ended[seen])]
    return Level(in_flight, asked, measurement(asked, {}, Measured(None, tuple(kept)), terms))


def search(world: Callable[[int], World], highest: int, rng: np.random.Generator) -> Capacity:
    """Return what the search for the highest concurrency comes to; `world` is that at a load."""
    terms = Terms(alpha=alpha_of_each(highest, whole=True))
    loads, levels, met = path(1, highest, whole=True), list[Level](), None
    while True:
        try:
            size = int(loads.send(met) if levels else next(loads))
        except StopIteration:
            return Capacity(tuple(levels), by_rate=False, complete=True)
        levels.append(level(study(load=Load(concurrency=size)), world(size), rng, terms))
        met = levels[-1].met


def _sent_by(sent_s: Floats, moment: float) -> int:
    return int(np.searchsorted(sent_s, moment))
