"""Reckon with figures that lie between bounds: what the bounds of a result are.

The figures are taken for independent, so that a result spans all that its parts allow.
"""

from __future__ import annotations

import math

from tuner.advice.span import Span


def product(*spans: Span) -> Span:
    """Return the product of figures that are none of them negative."""
    return Span(
        math.prod(s.low for s in spans),
        math.prod(s.likely for s in spans),
        math.prod(s.high for s in spans),
    )


def quotient(top: Span, bottom: Span) -> Span:
    """Return one figure divided by another; `top` is not negative, `bottom` above zero."""
    return Span(top.low / bottom.high, top.likely / bottom.likely, top.high / bottom.low)


def total(*spans: Span) -> Span:
    """Return the sum of figures."""
    return Span(sum(s.low for s in spans), sum(s.likely for s in spans), sum(s.high for s in spans))


def scaled(span: Span, factor: float) -> Span:
    """Return a figure times a number that is not negative."""
    return Span(span.low * factor, span.likely * factor, span.high * factor)


def difference(a: Span, b: Span) -> Span:
    """Return one figure minus another."""
    return Span(a.low - b.high, a.likely - b.likely, a.high - b.low)


def hull(*spans: Span) -> Span:
    """Return what holds several figures of one thing; the likely one is that of the middle."""
    likely = sorted(s.likely for s in spans)
    low, high = min(s.low for s in spans), max(s.high for s in spans)
    return Span(low, likely[len(likely) // 2], high)
