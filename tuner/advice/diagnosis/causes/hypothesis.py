"""A possible cause of a latency, with what speaks for and against it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from tuner.advice.span import Span

Cause = Literal["prefill", "decode", "queue", "output length", "memory", "network", "reload",
                "cache misses", "tail noise"]  # fmt: skip
Where = Literal["usual request", "slowest 1 %"]
Standing = Literal["likely", "possible", "unlikely", "excluded", "unknown"]

WHOLE = 0.8
"""Who accounts for such a share of a time may account for all of it: figures are rounded."""

SMALL = 0.1
"""Who accounts for less than this share of a time is not its cause."""


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """Why requests may take as long as they do.

    `where` says which requests: the usual ones (p50), or what the slowest take beyond those
    (p99 - p50). `accounts` is how many seconds of that it may account for, None where the figures
    do not say. `sign` is what a record of each request would show if this is it, and `records`
    what has to be recorded for that.
    """

    cause: Cause
    where: Where
    standing: Standing
    accounts: Span | None = None
    for_it: tuple[str, ...] = ()
    against: tuple[str, ...] = ()
    records: str = ""
    sign: str = ""

    @property
    def open(self) -> bool:
        """Tell whether it may be the cause."""
        return self.standing in ("likely", "possible")


def by_share(accounts: Span, whole: float) -> Standing:
    """Return how a cause stands that accounts for so many of `whole` seconds."""
    if whole <= 0 or accounts.high < SMALL * whole:
        return "excluded"
    if accounts.low >= 0.5 * whole:
        return "likely"
    return "possible" if accounts.high >= 0.5 * whole else "unlikely"


def judged(
    cause: Cause, where: Where, accounts: Span, whole: float, said: str, records: str, sign: str
) -> Hypothesis:
    """Return a hypothesis for which one sentence speaks, or against it, by what it accounts for."""
    standing = by_share(accounts, whole)
    for_it, against = ((said,), ()) if standing in ("likely", "possible") else ((), (said,))
    return Hypothesis(cause, where, standing, accounts, for_it, against, records, sign)


def ms(seconds: float | Span) -> str:
    """Return a time, or a range of it, in ms."""
    if isinstance(seconds, Span):
        low, high = _digits(seconds.low * 1000), _digits(seconds.high * 1000)
        return f"{low} ms" if low == high else f"{low} to {high} ms"
    return f"{_digits(seconds * 1000)} ms"


def _digits(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 20 else f"{value:.3g}"


def share(part: Span, whole: float) -> str:
    """Return a part of a time in percent; of nothing it is 0."""
    whole = whole or math.inf
    low, high = f"{part.low / whole:.0%}", f"{part.high / whole:.0%}"
    return low if low == high else f"{low} to {high}"


def number(span: Span) -> str:
    """Return a count, or a range of it."""
    low, high = _count(span.low), _count(span.high)
    return low if low == high else f"{low} to {high}"


def _count(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"
