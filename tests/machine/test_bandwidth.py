"""The bandwidth of memory is measured within bounds of size and time."""

from __future__ import annotations

from tuner.machine.bandwidth import measure


def test_it_says_what_was_copied_and_how_far_copies_differ() -> None:
    """At least five copies by each usable CPU, of no more than was allowed."""
    found = measure(seconds=0.01, largest=2**22)

    assert 0 < found.low <= found.median <= found.high
    assert found.n >= 5
    assert found.threads >= 1
    assert 0 < found.copied <= 2**22
