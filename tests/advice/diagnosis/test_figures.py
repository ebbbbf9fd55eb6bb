"""Figures that cannot be true together are refused, and named."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from tests.advice.diagnosis.worked import CASE
from tuner.advice.diagnosis.figures import Figures, checked
from tuner.spec.errors import InputError


def test_figures_that_go_together_stay_as_they_are() -> None:
    """Checking changes nothing."""
    assert checked(CASE) == CASE


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"p99": 0.4}, ["--p50 450 ms", "--p99 400 ms"]),
        ({"p50": -0.1}, ["--p50: expected a number above 0"]),
        ({"output_tokens": 1e12}, ["--output-tokens: expected a number above 0 and up to 1e+09"]),
        ({"p99": 1e-12}, ["--p99: expected a number above 0"]),
        ({"p50": math.nan}, ["--p50: expected a number"]),
        ({"p99": math.inf}, ["--p99: expected a number"]),
        (
            {"input_tokens": -1},
            ["--input-tokens: expected a number 0 or more and up to 1e+09, found -1"],
        ),
        ({"gpu_util": 1.2}, ["--gpu-util: expected at most 100 %, found 120%"]),
        ({"ttft_p50": 0.5}, ["--ttft-p50 500 ms", "--p50 450 ms"]),
        ({"cached_tokens": 200}, ["--cached-tokens 200", "--input-tokens 150"]),
        ({"output_p99": 30}, ["--output-tokens 40", "--output-tokens-p99 30"]),
        ({"limit": 30}, ["--output-tokens 40", "--output-limit 30"]),
        ({"context": 128}, ["--input-tokens and --output-tokens are 190", "--num-ctx 128"]),
        ({"queue_p99": 1.3}, ["--queue-p99 1300 ms", "--p99 1200 ms"]),
        ({"decode_rate": 50}, ["--decode-rate 50: 40 tokens take 800 ms", "--p50 450 ms"]),
        ({"prefill_rate": 100}, ["--prefill-rate 100: 150 tokens take 1500 ms"]),
        ({"decode_rate": 0}, ["--decode-rate: expected a number above 0"]),
        ({"slots": 0}, ["--parallel: expected a number above 0"]),
    ],
)
def test_what_is_impossible_is_named(wrong: dict[str, Any], named: list[str]) -> None:
    """The figure, what was found, and what it contradicts."""
    with pytest.raises(InputError) as refused:
        checked(replace(CASE, **wrong))

    assert all(said in str(refused.value) for said in named)


def test_tokens_without_a_rate_or_a_time_are_refused() -> None:
    """They say nothing of latency."""
    with pytest.raises(InputError, match="--output-tokens 40 without a time or a rate"):
        checked(Figures(output_tokens=40))
    with pytest.raises(InputError, match="nothing says how long a request takes"):
        checked(Figures(temperature=0.7))
