"""What a PASS costs in requests where late requests come one by one."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from bench.dependent.draws import World, independent
from bench.dependent.judge import ALPHA, P99, as_samples, study
from bench.dependent.stalls import closed, opened
from tuner.evaluate.lateness import Lateness, Terms
from tuner.spec.study import Study
from tuner.spec.values import Claim, Load, Sample
from tuner.stats.eprocess import Certificate

RATES = (0.0, 0.001, 0.002, 0.005)

CAP, CAP_AT_64 = 20_000, 60_000
"""Requests after which no PASS is waited for any longer."""

LOOKS = 50
"""The next look comes after a fiftieth more, so that a price is too high by up to 2 %."""

_CLOSED: tuple[tuple[int, float, Literal["together", "apart"]], ...] = (
    (1, 0.99, "together"),
    (8, 0.99, "together"),
    (8, 0.99, "apart"),
    (64, 0.99, "together"),
    (64, 0.99, "apart"),
    (64, 0.95, "together"),
)

_PART = 2000


@dataclass(frozen=True, slots=True)
class Price:
    """Requests to a PASS: median and mean of those runs that came to one before the cap."""

    load: str
    rate: float
    runs: int
    passed: int
    median: float | None
    mean: float | None
    cap: int


def prices(runs: int, seed: int) -> Iterator[Price]:
    """Yield what a PASS costs under each load at each late rate."""
    for name, asked, world, cap in _loads():
        for rate in RATES:
            rng = np.random.default_rng([seed, cap, round(1e4 * rate)])
            drawn = world(rate)
            # Without late requests, and always as many in flight, every run is the same.
            alike = not rate and not asked.workload.load.open_loop
            wanted = 1 if alike else runs * CAP // cap
            found = [to_a_pass(asked, drawn, rng, cap) for _ in range(max(wanted, 1))]
            yield _price(name, rate, found, cap)


def to_a_pass(asked: Study, world: World, rng: np.random.Generator, cap: int) -> int | None:
    """Return after how many requests a target has passed, or None at the cap."""
    block, terms, samples, n = world(rng), Terms(alpha=ALPHA), list[Sample](), 1
    (slo,) = asked.slos
    while n <= cap:
        while len(samples) < n:
            samples += as_samples(block(_PART), samples)
        found = Lateness.of(asked, samples[:n], terms).certificate(slo)
        if found.verdict == "PASS":
            return n
        n += max(at_least(found, slo.quantile), n // LOOKS, 1)
    return None


def at_least(found: Certificate, quantile: float) -> int:
    """Return how many more requests a PASS takes at least; spares looks.

    A timely request multiplies the stake of a bet by at most 1 / quantile, and each of
    m + 1 interleaved subsequences sees every (m + 1)th.
    """
    short = math.log(1 / (1 - found.confidence) / max(found.e_pass, 1.0))
    return int((found.m + 1) * max(short / -math.log(quantile) - 1, 0))


def _loads() -> Iterator[tuple[str, Study, Callable[[float], World], int]]:
    for count, quantile, in_flight in _CLOSED:
        load, cap = Load(concurrency=count), CAP_AT_64 if count > 8 else CAP
        asked = study(
            load=load, slos=(replace(P99, quantile=quantile),), claim=Claim(None, in_flight)
        )
        name = f"{count} in flight" + {0.95: ", p95"}.get(quantile, "")
        name += {"apart": ", taken apart"}.get(in_flight, "")
        yield name, asked, lambda r, c=count: closed(c, 0.0, slow=independent(r)), cap
    for mean in (1, 4):
        asked = study(load=Load(rate=mean / 0.4))
        name = f"open loop, {mean} in flight on average"
        yield name, asked, lambda r, c=mean: opened(c, 0.0, slow=independent(r)), CAP


def _price(name: str, rate: float, found: list[int | None], cap: int) -> Price:
    reached = [n for n in found if n is not None]
    median = float(np.median(reached)) if reached else None
    mean = float(np.mean(reached)) if reached else None
    return Price(name, rate, len(found), len(reached), median, mean, cap)
