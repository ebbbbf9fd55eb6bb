"""What a setup costs at a rate of requests, and from which rate on it costs less than another."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tuner.advice.cost.pace import Pace
from tuner.advice.cost.values import Api, Demand, Setup
from tuner.advice.ranges import scaled
from tuner.advice.span import Span, exactly


@dataclass(frozen=True, slots=True)
class Cost:
    """What a setup costs, in $; None is unknown.

    `used` is the share of one instance's capacity that the requests take, `instances` how many are
    needed, `per_million` counts all tokens of requests and answers, `per_million_output` those of
    answers alone. `by_use` is an hour where only the busy time is billed, as with scale to zero.
    """

    used: Span | None
    instances: Span
    per_hour: Span | None
    per_request: Span | None
    per_million: Span | None
    per_million_output: Span | None
    by_use: Span | None


def cost(setup: Setup, demand: Demand, pace: Pace | None) -> Cost:
    """Return what a setup costs; one instance is assumed where its capacity is not known."""
    used = _used(setup, demand, pace)
    instances = exactly(1.0) if used is None else _whole(used)
    hour = None if setup.price is None else scaled(instances, setup.price)
    request = None if hour is None else scaled(hour, 1 / demand.per_hour)
    return Cost(
        used,
        instances,
        hour,
        request,
        _a_million(request, demand.tokens),
        _a_million(request, demand.output_tokens),
        None if used is None or setup.price is None else scaled(used, setup.price),
    )


def full_at(setup: Setup, pace: Pace) -> Span:
    """Return the requests an hour at which one instance is full; a cache answers its share."""
    return scaled(pace.per_hour, 1 / (1 - setup.hits))


def api_request(api: Api, demand: Demand) -> float | None:
    """Return what an API takes for a request in $, None where its tokens are not known."""
    if demand.input_tokens is None or demand.output_tokens is None:
        return None
    tokens = demand.input_tokens * api.input_price + demand.output_tokens * api.output_price
    return tokens / 1e6


def cheaper_up_to(price: float, full: Span, other: float) -> Span | None:
    """Return up to how many requests an hour instances of a price cost less than one of another.

    So many instances as cost less than the other, each full. None where the price is not lower.
    """
    if not 0 < price < other:
        return None
    return scaled(full, math.ceil(other / price) - 1)


def _used(setup: Setup, demand: Demand, pace: Pace | None) -> Span | None:
    if pace is None:
        return None
    asked, carried = demand.per_hour * (1 - setup.hits), pace.per_hour
    return Span(asked / carried.high, asked / carried.likely, asked / carried.low)


def _whole(used: Span) -> Span:
    return Span(*(float(max(1, math.ceil(u))) for u in (used.low, used.likely, used.high)))


def _a_million(request: Span | None, tokens: float | None) -> Span | None:
    return scaled(request, 1e6 / tokens) if request is not None and tokens else None
