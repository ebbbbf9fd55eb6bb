"""Why requests failed, from their samples."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.evaluate.failures import MOST_REASONS, in_words, nothing_served, reasons, refused
from tuner.spec.values import Outcome, Sample

SERVED = Sample(
    "p", "k", 0, 0, 1, 2, 0, 1, 2, "stop", "ok", None, "yes",
)  # fmt: skip


def failed(error: str | None, outcome: Outcome = "error") -> Sample:
    """Return a sample that failed so."""
    return replace(SERVED, outcome=outcome, error=error)


def test_reasons_that_differ_in_ids_and_numbers_are_one() -> None:
    """The words that came first stand for all; the status tells reasons apart."""
    found = reasons([
        failed("HTTP 429: retry after 3 s (req-7f3a)"),
        failed("HTTP 429: retry after 12 s (req-99b1)"),
        failed("HTTP 500: retry after 12 s (req-99b1)"),
        SERVED,
    ])  # fmt: skip

    assert found == {
        "HTTP 429: retry after 3 s (req-7f3a)": 2,
        "HTTP 500: retry after 12 s (req-99b1)": 1,
    }
    assert in_words(found, 4).startswith("Failed, of 4 requests: 2 x HTTP 429")


def test_lateness_is_no_refusal() -> None:
    """Requests that took longer than their time limit are late, and that is a measurement."""
    slow = [failed("no complete answer within the time limit", "timeout")] * 10

    assert not refused(slow)
    assert nothing_served(slow, 10) is None
    assert reasons(slow) == {"no complete answer within the time limit": 10}


@pytest.mark.parametrize(
    ("samples", "planned", "said"),
    [
        ([failed("a")] * 10, 200, "10 of 10 requests failed: a"),
        ([failed("a")] * 2, 2, "2 of 2 requests failed: a"),
        ([failed("a")] * 4 + [failed("b")] * 2, 20, "6 of 6 requests failed: a (4 of them; 2 x b)"),
        ([failed(None)] * 5, 20, "5 of 5 requests failed: no reason given"),
        ([failed("a")] * 4, 200, None),
        ([failed("a")] * 10 + [SERVED], 200, None),
        ([], 200, None),
        ([], 0, None),
    ],
)
def test_all_failed_is_said_of_enough_requests(
    samples: list[Sample], planned: int, said: str | None
) -> None:
    """A few failures of many planned say nothing yet; one answer is enough to go on."""
    assert nothing_served(samples, planned) == said


@given(st.lists(st.none() | st.text(max_size=20), max_size=30))
def test_reasons_are_few_and_count_no_more_than_there_are(errors: list[str | None]) -> None:
    """Whatever servers say, a handful of reasons is left, each with its count."""
    found = reasons([failed(e) for e in errors])

    assert len(found) <= MOST_REASONS
    assert sum(found.values()) <= len(errors)
    assert all(count > 0 for count in found.values())
