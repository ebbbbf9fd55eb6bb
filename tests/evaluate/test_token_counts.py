"""Who counted the tokens: what is unknown is said to be, and nothing is said of it."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.evaluate.test_measurement import served
from tuner.evaluate.token_counts import counts, counts_document, in_words
from tuner.spec.values import Sample

KINDS: dict[str, dict[str, Any]] = {
    "told": {},
    "by_chunks": {"by_chunks": True},
    "unknown": {"output_tokens": None},
    "failed": {"outcome": "error", "output_tokens": None},
}


def asked(*kinds: str) -> list[Sample]:
    """Return a sample of each kind."""
    return [sample for kind in kinds for sample in served(1, **KINDS[kind])]


@given(st.lists(st.sampled_from(sorted(KINDS)), max_size=12))
def test_each_served_request_counts_once(kinds: list[str]) -> None:
    """As told, as chunks or as unknown; a request that failed has no tokens to know of."""
    found = counts(asked(*kinds))

    assert found.told == kinds.count("told")
    assert found.by_chunks == kinds.count("by_chunks")
    assert found.unknown == kinds.count("unknown")


def test_an_unknown_count_leaves_only_the_pace_unknown() -> None:
    """Whole answers and first tokens have their times all the same."""
    found = counts(asked("told", "unknown", "unknown"))

    assert [found.unknown_for(m) for m in ("tpot", "e2e", "ttft")] == [2, 0, 0]
    assert "unknown in 2 answers" in in_words(found)[0]


def test_where_the_server_told_all_nothing_is_said() -> None:
    """The usual case needs no words."""
    assert in_words(counts(asked("told", "told", "failed"))) == []


def test_answers_shorter_than_wanted_are_counted() -> None:
    """Those that the server counted, among those that were to have a length."""
    long, short = served(2, wanted_tokens=1), served(3, wanted_tokens=10**6)
    found = counts([*long, *short, *served(1), *served(1, wanted_tokens=10**6, by_chunks=True)])

    assert (found.wanted, found.shorter) == (6, 3)
    assert "3 of 6 answers are shorter than the workload wants" in " ".join(in_words(found))


def test_a_field_that_was_taken_for_output_is_named_with_its_answers() -> None:
    """In words and in the document."""
    found = counts([*served(2, unknown_fields=("voice",)), *served(1)])

    assert in_words(found) == ["Taken for output by its look, in 2 answers: the field 'voice'."]
    assert counts_document(found)["fields"] == {"voice": 2}
