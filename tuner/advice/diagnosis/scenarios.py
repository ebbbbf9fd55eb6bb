"""The queues that p50 and p99 allow: what one served request may take, and how many come.

A p50 and a p99 are two figures, and a queue has three unknowns: the mean service time, how it
varies (cv) and the load. So there is a scenario for each cv that is plausible, from a queue of
alike requests to unlike requests without a queue. What they all say is certain, as far as requests
come by themselves; where they differ, the figures leave it open.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from tuner.advice.diagnosis.figures import Figures
from tuner.advice.diagnosis.load import (
    LEAST_CV,
    LIKELY_CV,
    MOST_CV,
    UTILISATIONS,
    load_of,
    rounded,
)
from tuner.advice.diagnosis.parts import Parts
from tuner.advice.queueing import Sojourn, Traffic, sojourn
from tuner.advice.span import Span

STEPS = 4
"""Values of cv that are looked at."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """A service that gives the latencies that were seen: mean service in seconds, cv, slots, load.

    `load` is in Erlang: requests in service on average. In a closed loop it is 0, and `in_flight`
    tells how many requests there are at once.
    """

    service: float
    cv: float
    load: float
    slots: int = 1
    in_flight: int | None = None

    @property
    def utilisation(self) -> float:
        """Return the share of the time in which a slot serves."""
        return self.load / self.slots

    def after(
        self, factor: float = 1.0, *, slots: int | None = None, longest: float | None = None
    ) -> Sojourn:
        """Return latencies in seconds where each service takes `factor` times as long.

        Requests come at the same rate as before. `longest` cuts services off, in mean ones.
        """
        there = slots or self.slots
        traffic = Traffic(self.load * factor, self.cv, longest)
        turns = 1.0 if self.in_flight is None else max(1.0, self.in_flight / there)
        return sojourn(traffic, there).times(self.service * factor * turns)

    def together(self, slots: int, share: float) -> int:
        """Return how many are served together by so many slots, which a share does not exceed.

        Those that meet a request are as many as Poisson's law gives for the load.
        """
        if self.in_flight is not None:
            return min(slots, self.in_flight)
        others, term = 0, math.exp(-self.load)
        below = term
        while below < share and others + 1 < slots:
            others += 1
            term *= self.load / others
            below += term
        return min(slots, 1 + others)

    def unlimited(self, factor: float = 1.0) -> Sojourn:
        """Return latencies without any queue, as with a slot for each request."""
        return replace(self, load=0.0, in_flight=None).after(factor)


def variation(found: Figures, parts: Parts) -> Span:
    """Return the cv of service times: by the lengths of answers where they are known.

    A gamma distribution whose p99 lies as far above its mean as that of the lengths, times the
    share of decode.
    """
    if found.output_tokens is None or found.output_p99 is None:
        return Span(LEAST_CV, LIKELY_CV, MOST_CV)
    ratio = found.output_p99 / found.output_tokens
    cv = _cv_with_p99(ratio)
    shares = parts.decode_share
    return Span(cv * shares.low, cv * shares.likely, cv * shares.high)


def _cv_with_p99(ratio: float) -> float:
    """Return the cv at which the p99 is so many means."""
    cvs = np.arange(0.0, 1.51, 0.05)
    p99s = [sojourn(Traffic(0.0, round(float(cv), 2))).p99 for cv in cvs]
    return float(np.interp(ratio, p99s, cvs))


def scenarios(found: Figures, cv: Span) -> tuple[Scenario, ...]:
    """Return the scenarios that give p50 and p99, the least cv first; none where none does.

    Where the rate tells the load, those near it come out alone, if there are any. What a GPU is
    busy for tells it too badly for that.
    """
    if found.p50 is None or found.p99 is None:
        return ()
    if found.in_flight is not None:
        return (_closed(found, found.p50, found.p99, found.in_flight),)
    every = tuple(_fitting(found.p50, found.p99, found.slots or 1, cv))
    return tuple(s for s in every if found.rate is None or _near(s, found)) or every


def likeliest(every: tuple[Scenario, ...], found: Figures) -> Scenario:
    """Return the scenario whose load is nearest to what is known of it, else nearest LIKELY_CV."""

    def distance(one: Scenario) -> float:
        load = load_of(found, one.cv)
        return abs(one.cv - LIKELY_CV) if load is None else abs(one.load - load.likely)

    return min(every, key=distance)


def _closed(found: Figures, p50: float, p99: float, in_flight: int) -> Scenario:
    """Return the scenario of a closed loop: its requests wait for their turn, one after another."""
    slots = found.slots or 1
    cv = _cv_with_p99(p99 / p50)
    turns = max(1.0, in_flight / slots)
    unit = sojourn(Traffic(0.0, rounded(cv))).p50
    return Scenario(p50 / turns / unit, rounded(cv), 0.0, slots, in_flight)


def _fitting(p50: float, p99: float, slots: int, cv: Span) -> Iterator[Scenario]:
    most = min(cv.high, rounded(_cv_where_p99_is(p99 / p50)))
    for one in sorted({rounded(c) for c in np.linspace(min(cv.low, most), most, STEPS)}):
        for load in _loads_that_give(p99 / p50, slots, one):
            unit = sojourn(Traffic(load, one), slots).p50
            yield Scenario(p50 / unit, one, load, slots)


def _cv_where_p99_is(ratio: float) -> float:
    """Return the cv at which the p99 is so many p50s without any queue."""
    cvs = np.arange(0.0, MOST_CV + 0.01, 0.05)
    alone = [sojourn(Traffic(0.0, round(float(cv), 2))) for cv in cvs]
    return float(np.interp(ratio, [s.p99 / s.p50 for s in alone], cvs))


def _loads_that_give(ratio: float, slots: int, cv: float) -> Iterator[float]:
    """Yield the loads at which p99 over p50 is as seen, the least first."""
    loads = [slots * u for u in UTILISATIONS]
    times = [sojourn(Traffic(load, cv), slots) for load in loads]
    ratios = [t.p99 / t.p50 for t in times]
    if ratio <= ratios[0]:
        yield 0.0
        return
    for (l0, r0), (l1, r1) in zip(
        zip(loads, ratios, strict=True), zip(loads[1:], ratios[1:], strict=True), strict=False
    ):
        if min(r0, r1) <= ratio < max(r0, r1):
            yield float(l0 + (l1 - l0) * (ratio - r0) / (r1 - r0))


def _near(scenario: Scenario, found: Figures) -> bool:
    """Tell whether a scenario has the load that is known apart from p99, within a fifth of it."""
    load = load_of(found, scenario.cv)
    return load is None or 0.8 * load.low <= scenario.load <= 1.2 * load.high + 0.01


def most_by_queue(slots: int, cv: float) -> float:
    """Return the largest p99 over p50 that a queue of such requests gives, at any load."""
    times = (sojourn(Traffic(slots * u, rounded(cv)), slots) for u in UTILISATIONS)
    return max(t.p99 / t.p50 for t in times if math.isfinite(t.p99))


def predicted_p99(found: Figures, cv: Span) -> Span | None:
    """Return the p99 that a queue alone gives at the load that is known, with p50 as it is."""
    if found.p50 is None or found.in_flight is not None:
        return None
    ends = (cv.low, min(cv.likely, LIKELY_CV), min(cv.high, max(cv.likely, LIKELY_CV)))
    each = [_p99_at(found, rounded(c)) for c in sorted(ends)]
    known = [span for span in each if span is not None]
    if not known:
        return None
    likely = sorted(s.likely for s in known)[len(known) // 2]
    return Span(min(s.low for s in known), likely, max(s.high for s in known))


def _p99_at(found: Figures, cv: float) -> Span | None:
    load = load_of(found, cv)
    if load is None or found.p50 is None:
        return None
    p50, slots = found.p50, found.slots or 1

    def p99(at: float) -> float:
        seen = sojourn(Traffic(at, cv), slots)
        return p50 * seen.p99 / seen.p50

    ordered = sorted(p99(min(at, 0.95 * slots)) for at in (load.low, load.likely, load.high))
    return Span(*ordered)
