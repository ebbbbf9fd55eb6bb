"""A step takes as long as its bytes take, and a prompt as long as its arithmetic."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tuner.advice.roofline import Hardware, batch_bytes, prefill_s, step_s, weights_bytes
from tuner.advice.span import Span, exactly

A10G = Hardware("A10G", 24e9, exactly(600e9), 31.5e12)
WEIGHTS = weights_bytes(exactly(7e9), exactly(8.5))


def test_a_token_is_never_faster_than_the_bandwidth() -> None:
    """7B at 8.5 bits are 7.44 GB: over 12.4 ms at 600 GB/s, with 65 to 81 % of it reached."""
    found = step_s(WEIGHTS, A10G)

    assert WEIGHTS.likely == pytest.approx(7.4375e9)
    assert (found.low, found.high) == pytest.approx((0.0124 / 0.81, 0.0124 / 0.65), rel=0.01)


def test_a_measured_bandwidth_may_be_nearly_reached() -> None:
    """97 % of it, where of a data sheet's at most 81 % is."""
    assert step_s(WEIGHTS, replace(A10G, measured=True)).low < step_s(WEIGHTS, A10G).low


def test_a_batch_reads_the_weights_once() -> None:
    """And each request's cache."""
    assert batch_bytes(exactly(10.0), exactly(2.0), 4) == exactly(18.0)


def test_a_short_prompt_takes_one_reading_of_the_weights() -> None:
    """A long one twice its tokens in operations a weight; without FLOPS it is not known."""
    params = exactly(7e9)
    short, long = (prefill_s(params, WEIGHTS, n, A10G) for n in (1, 100_000))

    assert short == step_s(WEIGHTS, A10G)
    assert long is not None
    assert long.low == pytest.approx(2 * 7e9 * 1e5 / (4 * 31.5e12))
    assert prefill_s(params, WEIGHTS, 1, replace(A10G, flops=None)) is None


def test_a_format_may_reach_less() -> None:
    """Unpacking takes time: half the speed doubles a step."""
    plain, slowed = step_s(WEIGHTS, A10G), step_s(WEIGHTS, A10G, Span(0.5, 0.5, 0.5))

    assert slowed.likely == pytest.approx(2 * plain.likely)
