"""Worlds whose requests are in flight together: a stall makes all of them late.

The server halts at random moments (a Poisson process of the time in which it works) for
STALL_S. Drawn with numpy and the standard library alone.
"""

from __future__ import annotations

import heapq
from dataclasses import replace

import numpy as np

from bench.dependent.draws import TARGET_S, Block, Drawn, Floats, Ints, World, independent

STALL_S = TARGET_S

ALIKE = np.linspace(0.2, 0.6, 401)
UNLIKE = np.geomspace(0.05, 0.8, 401)
EQUAL = np.array([0.9])
"""Seconds that answers take without a stall."""

_SLOW_S = 1.1 * TARGET_S

_UP_S = 20 * STALL_S
"""How long a server has run before the first request in open loop."""


def closed(
    in_flight: int, late: float, works_s: Floats = ALIKE, slow: World | None = None
) -> World:
    """Return a world of a closed loop: when one of so many requests ends the next is sent.

    A share `late` is late by stalls; what is late in the world `slow` is so by itself as well.
    """
    pace = stalls_a_second(late, works_s, waiting=False)

    def begin(rng: np.random.Generator) -> Block:
        asked = (slow or independent(0.0))(rng)

        def block(n: int) -> Drawn:
            drew = asked(n)
            works = _works(rng, drew, works_s)
            sent = _sent(works, in_flight)
            stalls = _moments(rng, pace, sent + works)
            began, ended = _in_real_time(sent, stalls), _in_real_time(sent + works, stalls)
            return _answered(drew, began, ended, late)

        return block

    return begin


def opened(
    in_flight: float, late: float, works_s: Floats = ALIKE, slow: World | None = None
) -> World:
    """Return a world of an open loop: requests come at random, so many at once on average.

    They come while the server stalls, too. Latency counts from the plan. `late`, `slow`: as in
    `closed`.
    """
    pace = stalls_a_second(late, works_s, waiting=True)

    def begin(rng: np.random.Generator) -> Block:
        asked = (slow or independent(0.0))(rng)

        def block(n: int) -> Drawn:
            drew = asked(n)
            planned = _UP_S + rng.exponential(works_s.mean() / in_flight, n).cumsum()
            works = _works(rng, drew, works_s)
            stalls = _moments(rng, pace, planned + works)
            ended = _in_real_time(_at_work(planned, stalls) + works, stalls)
            return _answered(drew, planned, ended, late)

        return block

    return begin


def share_late(pace: float, works_s: Floats, *, waiting: bool) -> float:
    """Return which share is late at so many stalls in a second of work.

    Work of d seconds meets a stall with chance 1 - exp(-pace d). With `waiting` requests come
    during a stall as well; one that comes before d seconds of it have gone by is late anyhow.
    """
    met = -np.expm1(-pace * works_s)
    if not waiting:
        return float(met.mean())
    stalled, early = pace * STALL_S, works_s / STALL_S
    return float((met + stalled * (early + (1 - early) * met)).mean() / (1 + stalled))


def stalls_a_second(late: float, works_s: Floats, *, waiting: bool) -> float:
    """Return at how many stalls in a second of work the share `late` is late, by bisection."""
    low, high = 0.0, 100.0
    for _ in range(80):
        middle = (low + high) / 2
        over = share_late(middle, works_s, waiting=waiting) > late
        low, high = (low, middle) if over else (middle, high)
    return low


def in_flight(drew: Drawn) -> Ints:
    """Return how many others were in flight when each request was sent."""
    ended = np.sort(drew.sent_s + drew.latency_s)
    # as long as rounding may make a sum, an end counts as before what it lets be sent
    return np.arange(ended.size) - np.searchsorted(ended, drew.sent_s + 1e-9)


def _works(rng: np.random.Generator, drew: Drawn, works_s: Floats) -> Floats:
    """Return the seconds of work of each request: too many for the target where it is slow."""
    return np.where(drew.late, _SLOW_S, rng.choice(works_s, drew.late.size))


def _sent(works: Floats, in_flight: int) -> Floats:
    """Return when each request is sent, in seconds of work: when the first in flight has ended."""
    free = [0.0] * in_flight
    sent = [heapq.heapreplace(free, free[0] + work) for work in works.tolist()]
    return np.array(sent, np.float64)


def _moments(rng: np.random.Generator, pace: float, ends: Floats) -> Floats:
    """Return the stalls until all has ended, in seconds of work."""
    until = float(ends.max(initial=0.0))
    return np.sort(rng.uniform(0.0, until, rng.poisson(pace * until)))


def _in_real_time(work_s: Floats, stalls: Floats) -> Floats:
    """Return when so much work is done: each stall before it took STALL_S."""
    found: Floats = work_s + STALL_S * np.searchsorted(stalls, work_s)
    return found


def _at_work(real_s: Floats, stalls: Floats) -> Floats:
    """Return how much work was done by then: none while the server stalls."""
    begun = stalls + STALL_S * np.arange(stalls.size)
    before = np.searchsorted(begun, real_s)
    last = np.concatenate([[0.0], stalls])[before]
    found: Floats = np.maximum(real_s - STALL_S * before, last)
    return found


def _answered(drew: Drawn, sent_s: Floats, ended_s: Floats, late: float) -> Drawn:
    """Return requests with their real times, a share `late` of which also met a stall."""
    chance = 1 - (1 - drew.chance) * (1 - late)
    return replace(drew, sent_s=sent_s, latency_s=ended_s - sent_s, chance=chance)
