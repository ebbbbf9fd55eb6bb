"""Requests that are too long or too short: named, left out or bounded, as is asked."""

from __future__ import annotations

import pytest

from tuner.workflow.traces.fitting import Bounds, fitted, wanted
from tuner.workflow.traces.recorded import Recorded

LINES = [
    Recorded(f"t:{n}", n, float(n), given, out)
    for n, (given, out) in enumerate([(10, 5), (100, 50), (400, 0), (90, 400)], start=2)
]


def kept(bounds: Bounds, least: int = 1) -> list[tuple[int, int]]:
    """Return line and length of what is kept."""
    return [(request.line, n) for request, n in fitted(LINES, bounds, least).requests]


@pytest.mark.parametrize(
    ("bounds", "found"),
    [
        (Bounds(), [(2, 10), (3, 100), (4, 400), (5, 90)]),
        (Bounds(most_input=99), [(2, 10), (5, 90)]),
        (Bounds(most_input=99, shorten=True), [(2, 10), (3, 99), (4, 99), (5, 90)]),
        (Bounds(context=401), [(2, 10), (3, 100), (4, 400)]),
        (Bounds(context=400, shorten=True), [(2, 10), (3, 100), (4, 399)]),
        (Bounds(context=420, most_input=99, shorten=True), [(2, 10), (3, 99), (4, 99), (5, 20)]),
    ],
)
def test_long_requests_are_left_out_or_shortened(
    bounds: Bounds, found: list[tuple[int, int]]
) -> None:
    """A context holds the answer, too; where that alone is too long nothing helps."""
    assert kept(bounds) == found


def test_what_was_done_is_said_with_the_lines() -> None:
    """The first few of them."""
    bounds = Bounds(most_input=99, context=400, shorten=True)
    [long, silent] = fitted(LINES, bounds, 1).notes

    assert long == (
        "too long, with prompts of more than 99 or more than the context of 400 with their "
        "answers: 1 left out, 2 shortened (lines 3, 4, 5)"
    )
    assert silent == "without an answer: 1, which ask for one token (line 4)"


def test_short_prompts_are_as_short_as_a_request_can_be() -> None:
    """A template has its own tokens."""
    found = fitted(LINES, Bounds(), 95)

    assert [n for _, n in found.requests] == [95, 100, 400, 95]
    assert found.notes[0] == (
        "shorter than the 95 tokens that a request has at least: 2 sent with so many (lines 2, 5)"
    )


def test_a_bound_below_the_shortest_request_leaves_all_out() -> None:
    """Shortening cannot help."""
    assert kept(Bounds(most_input=20, shorten=True), least=30) == []


def test_an_answer_has_a_token_at_least() -> None:
    """Servers refuse to give none."""
    assert [wanted(request) for request in LINES] == [5, 50, 1, 400]
