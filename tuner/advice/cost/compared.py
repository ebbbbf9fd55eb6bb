"""Today's costs, and those of each strategy beside them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tuner.advice.cost.memory import Fit, Memory, fit, memory
from tuner.advice.cost.money import (
    Cost,
    api_request,
    cheaper_up_to,
    cost,
    full_at,
)
from tuner.advice.cost.pace import Pace, mean_with_hits, paced
from tuner.advice.cost.quality import Quality, quality
from tuner.advice.cost.values import (
    EFFORTS,
    Api,
    Demand,
    Effort,
    Measured,
    Setup,
    Strategy,
)
from tuner.advice.ranges import difference
from tuner.advice.span import Span

_EFFORT_OF: dict[str, Effort] = {
    "price": "low", "gpu": "low", "hits": "medium", "format": "medium", "engine": "medium",
    "params": "high",
}  # fmt: skip
"""What a change takes: another instance for the same files; other files, which have to be
validated; a cache that knows when to forget; a model with prompts or training of its own."""


@dataclass(frozen=True, slots=True)
class Costed:
    """A setup with what it costs; None is unknown.

    `taken` tells whether the engine serves files of that format. `full_at` is the requests an hour
    at which one instance is full, `api_from` from how many on it costs less than the API: infinite
    where it is full before.
    """

    setup: Setup
    cost: Cost
    pace: Pace | None
    memory: Memory | None
    fit: Fit | None
    taken: bool | None
    full_at: Span | None
    api_from: float | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a strategy comes to beside today; None is unknown.

    `saving` is in $ an hour. `times` is the ratio of the seconds of a request that the engine
    answers, `mean_times` that of the mean over all requests, hits of a cache included. Up to
    `breaks_even` requests an hour it costs less than today; where it is `dearer`, today costs less.
    """

    strategy: Strategy
    costed: Costed
    saving: Span | None
    times: Span | None
    mean_times: Span | None
    quality: Quality
    effort: Effort
    breaks_even: Span | None
    dearer: bool

    @property
    def works(self) -> bool:
        """Tell whether nothing is known that keeps it from serving."""
        new_files = {"format", "engine"} & {*self.strategy.changed}
        refused = self.costed.taken is False and bool(new_files)
        return self.costed.fit != "does not fit" and not refused


@dataclass(frozen=True, slots=True)
class Compared:
    """Today and all strategies at one demand; `api_request` is the price of a request there."""

    demand: Demand
    today: Costed
    outcomes: tuple[Outcome, ...]
    measured: Measured | None = None
    api: Api | None = None
    api_request: float | None = None

    @property
    def best(self) -> Outcome | None:
        """Return what surely saves, the most of it, and what takes least effort among those."""
        sure = [
            o for o in self.outcomes
            if o.saving is not None and o.saving.low > 0 and o.works
        ]  # fmt: skip
        return min(sure, key=_merit, default=None)


def compared(
    today: Setup,
    strategies: Sequence[Strategy],
    demand: Demand,
    measured: Measured | None = None,
    api: Api | None = None,
) -> Compared:
    """Return what today's setup and each strategy cost for a demand."""
    asked = None if api is None else api_request(api, demand)
    before = _costed(today, demand, paced(today, today, demand, measured)[0], asked)
    outcomes = tuple(_outcome(before, s, demand, measured, asked) for s in strategies)
    return Compared(demand, before, outcomes, measured, api, asked)


def _costed(setup: Setup, demand: Demand, pace: Pace | None, asked: float | None) -> Costed:
    needed, full = memory(setup, demand), full_at(setup, pace) if pace else None
    there = setup.hardware.memory_bytes if setup.hardware else None
    fits = None if needed is None or there is None else fit(needed.needed, there)
    return Costed(
        setup,
        cost(setup, demand, pace),
        pace,
        needed,
        fits,
        _taken(setup),
        full,
        None if asked is None or setup.price is None else _api_from(setup, asked, full),
    )


def _taken(setup: Setup) -> bool | None:
    if setup.takes is None or setup.format is None:
        return None
    return setup.format.files in setup.takes.files


def _api_from(setup: Setup, asked: float, full: Span | None) -> float:
    """Return from which rate on an instance is cheaper; a cache spares the API its share, too."""
    found = (setup.price or 0.0) / (asked * (1 - setup.hits))
    return math.inf if full is not None and found > full.high else found


def _outcome(
    before: Costed,
    strategy: Strategy,
    demand: Demand,
    measured: Measured | None,
    asked: float | None,
) -> Outcome:
    setup = strategy.setup
    pace, times = paced(setup, before.setup, demand, measured)
    after = _costed(setup, demand, pace, asked)
    hits = (setup.hits - before.setup.hits) / (1 - before.setup.hits)
    even, dearer = _breaks_even(before, after)
    return Outcome(
        strategy,
        after,
        _saving(before, after),
        times,
        None if times is None else mean_with_hits(times, hits),
        quality(before.setup, strategy),
        _effort(strategy),
        even,
        dearer,
    )


def _effort(strategy: Strategy) -> Effort:
    """Return the user's word, else the most that one of the changes takes."""
    if strategy.effort is not None:
        return strategy.effort
    return EFFORTS[max(EFFORTS.index(_EFFORT_OF[part]) for part in strategy.changed)]


def _saving(before: Costed, after: Costed) -> Span | None:
    """Return the $ an hour that are saved; on the same hardware both are fast, or both are slow."""
    was, now = before.cost.per_hour, after.cost.per_hour
    if was is None or now is None:
        return None
    if before.setup.hardware != after.setup.hardware:
        return difference(was, now)
    low, middle, high = sorted((was.low - now.low, was.likely - now.likely, was.high - now.high))
    return Span(low, middle, high)


def _breaks_even(before: Costed, after: Costed) -> tuple[Span | None, bool]:
    """Return up to which rate the cheaper of two costs less, and whether that is today's."""
    prices = before.setup.price, after.setup.price
    if prices[0] is None or prices[1] is None or prices[0] == prices[1]:
        return None, False
    dearer = prices[1] > prices[0]
    (cheap, other) = (before, after) if dearer else (after, before)
    if cheap.full_at is None or cheap.setup.price is None or other.setup.price is None:
        return None, dearer
    return cheaper_up_to(cheap.setup.price, cheap.full_at, other.setup.price), dearer


def _merit(outcome: Outcome) -> tuple[float, int]:
    saved = outcome.saving.likely if outcome.saving else 0.0
    return (-saved, EFFORTS.index(outcome.effort))
