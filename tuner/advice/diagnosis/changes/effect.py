"""What a change does to p50 and p99: each scenario that the figures allow, with it made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from tuner.advice.diagnosis.figures import Figures
from tuner.advice.diagnosis.parts import Parts
from tuner.advice.diagnosis.scenarios import Scenario, likeliest
from tuner.advice.queueing import Sojourn
from tuner.advice.span import Span

SAME = Span(1.0, 1.0, 1.0)

Reach = Literal["reaches", "may reach", "does not reach"]

TOGETHER = (1, 2, 4, 8, 64)
PACES = ((1.0, 1.0, 1.0, 1.0, 1.0), (1.0, 1.15, 1.4, 2.0, 8.0), (1.0, 1.4, 2.0, 3.3, 24.0))
"""How many times as long a request takes with so many TOGETHER: at best, likely, at worst.
The worst is from llama.cpp pull request 4280 (95, 69, 48 and 29 tokens/s for each of 1, 2, 4 and 8
streams), the best is where only bandwidth counts; beyond 8 it is extended in proportion."""

VISIBLE = 0.005
"""A change by less than this share is none."""


@dataclass(frozen=True, slots=True)
class World:
    """What is known of a service, in which changes are tried out."""

    found: Figures
    parts: Parts
    every: tuple[Scenario, ...]

    def factor(self, prefill: Span = SAME, decode: Span = SAME) -> Span:
        """Return how many times as long a service takes whose parts take so many times as long."""
        shares = self.parts.prefill_share
        each = [
            share * p + (1 - share) * d
            for share in (shares.low, shares.likely, shares.high)
            for p, d in ((prefill.low, decode.low), (prefill.high, decode.high))
        ]
        likely = shares.likely * prefill.likely + (1 - shares.likely) * decode.likely
        return Span(min(*each, likely), likely, max(*each, likely))

    def with_slots(self, slots: int) -> tuple[Span | None, Span | None]:
        """Return p50 and p99 in seconds with another number of slots.

        Requests that are served together slow each other: as many as are together in the median
        for p50, and in 1 case of 100 for p99.
        """
        if not self.every:
            return None, None
        best = likeliest(self.every, self.found)
        seen = {
            q: [[self._slowed(one, slots, q, how) for how in range(3)] for one in self.every]
            for q in ("p50", "p99")
        }
        place = self.every.index(best)
        return (
            _span([t for each in seen["p50"] for t in each], seen["p50"][place][1]),
            _span([t for each in seen["p99"] for t in each], seen["p99"][place][1]),
        )

    def _slowed(self, one: Scenario, slots: int, quantile: str, how: int) -> float:
        share = 0.5 if quantile == "p50" else 0.99
        now, then = (pace(one.together(c, share))[how] for c in (one.slots, slots))
        return float(getattr(self._seen(one, then / now, slots, None), quantile))

    def after(
        self, factor: Span, *, slots: int | None = None, longest: Span | None = None
    ) -> tuple[Span | None, Span | None]:
        """Return p50 and p99 in seconds after a change.

        The lowest and the highest are those over all scenarios and over the ends of the factor,
        the likely ones those of the scenario that fits best. Without scenarios p99 is None.
        """
        if not self.every:
            return self._scaled(factor), None
        best = likeliest(self.every, self.found)
        ends = [
            self._seen(one, f, slots, cut)
            for one in self.every
            for f in (factor.low, factor.likely, factor.high)
            for cut in ([None] if longest is None else [longest.low, longest.high])
        ]
        likely = self._seen(best, factor.likely, slots, longest.likely if longest else None)
        return (
            _span([e.p50 for e in ends], likely.p50),
            _span([e.p99 for e in ends], likely.p99),
        )

    def _scaled(self, factor: Span) -> Span | None:
        """Return p50 where only its service changes, or its wait too, which is others' service."""
        p50 = self.found.p50
        if p50 is None:
            return None
        every, own = p50 - (self.found.network or 0.0), min(p50, self.parts.service)
        ends = [p50 - t * (1 - f) for t in (every, own) for f in (factor.low, factor.high)]
        return _span(ends, p50 - own * (1 - factor.likely))

    def _seen(
        self, one: Scenario, factor: float, slots: int | None, longest: float | None
    ) -> Sojourn:
        """Return what a scenario makes of the latencies as they were seen: what it adds is kept."""
        now, then = one.after(), one.after(factor, slots=slots, longest=longest)
        p50, p99, away = self.found.p50 or 0.0, self.found.p99 or 0.0, self.found.network or 0.0
        return Sojourn(
            away + (p50 - away) * then.p50 / now.p50, away + (p99 - away) * then.p99 / now.p99
        )


def pace(together: int) -> tuple[float, float, float]:
    """Return how many times as long a request takes beside others: at best, likely, at worst."""
    best, likely, worst = (float(np.interp(together, TOGETHER, times)) for times in PACES)
    return best, likely, worst


def _span(ends: list[float], likely: float) -> Span:
    return Span(min(*ends, likely), likely, max(*ends, likely))


def may_be_none(after: Span, now: float) -> bool:
    """Tell whether a range contains what is there already."""
    return after.low <= now * (1 + VISIBLE) and after.high >= now * (1 - VISIBLE)


def reach(after: Span | None, target: float | None) -> Reach | None:
    """Tell whether a range lies within a target; None where either is unknown."""
    if after is None or target is None:
        return None
    if after.high <= target:
        return "reaches"
    return "may reach" if after.low <= target else "does not reach"
