"""What a model needs in memory."""

from __future__ import annotations

import pytest

from tuner.advice.cost.memory import cached_per_token, fit, of_size, parse_params
from tuner.advice.span import Span, exactly

KIB = 1024


@pytest.mark.parametrize(
    ("name", "params", "cached"),
    [
        ("7B", 6.74e9, 512 * KIB),
        ("7B", 7.62e9, 56 * KIB),
        ("8B", 8.03e9, 128 * KIB),
        ("3B", 3.21e9, 112 * KIB),
        ("3B", 3.09e9, 36 * KIB),
        ("70B", 70.6e9, 320 * KIB),
    ],
)
def test_a_size_holds_the_models_that_are_named_so(name: str, params: float, cached: int) -> None:
    """Llama 2 and 3, Qwen2.5: their parameters, and the bytes of a token in their cache."""
    size = parse_params(name)
    kept = cached_per_token(size)

    assert size.low <= params <= size.high
    assert kept.low <= cached <= kept.high


def test_a_size_with_three_digits_is_a_count() -> None:
    """7.62B is exact, 1.5B a name; letters in either case."""
    assert parse_params("7.62B") == exactly(7.62e9)
    assert parse_params("1.5b").low < 1.5e9
    assert parse_params("135M") == exactly(135e6)


@pytest.mark.parametrize("text", ["7", "B", "-7B", "0B", "7 billion", "7X", "9" * 400 + "B"])
def test_what_is_no_size_is_refused(text: str) -> None:
    """With examples of one."""
    with pytest.raises(ValueError, match="such as 7B"):
        parse_params(text)


def test_what_is_not_certain_to_fit_is_not_said_to() -> None:
    """Three words for three cases."""
    needed = Span(10.0, 12.0, 15.0)

    assert [fit(needed, there) for there in (9.0, 12.0, 15.0)] == [
        "does not fit", "may not fit", "fits"
    ]  # fmt: skip


def test_fewer_bits_are_smaller_weights() -> None:
    """In proportion."""
    eight, four = (of_size("7B", exactly(7e9), exactly(bits)) for bits in (8.0, 4.0))

    assert eight.weights.likely == 2 * four.weights.likely
    assert eight.cached == four.cached
