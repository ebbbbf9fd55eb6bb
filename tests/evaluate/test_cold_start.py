"""What a cold start costs: a range of few, and no number where nothing showed."""

from __future__ import annotations

import pytest

from tuner.evaluate.cold_start import ColdStart, ColdStarts, cold_document, in_words

STARTS = (ColdStart(2.0, 1.0, 0.7), ColdStart(1.5, 1.1, None), ColdStart(3.0, 1.2, 0.9))


def test_so_few_are_told_as_a_range() -> None:
    """Of first requests, of those whose engine tells its loading, and with their number."""
    assert in_words(ColdStarts(STARTS, 300 * 2**20, 100 * 2**20)) == (
        "Cold start (the model was unloaded): first request 1500 to 3000 ms, of which loading 700 "
        "to 900 ms (n = 3); keeping it loaded takes 200 MiB."
    )


@pytest.mark.parametrize(("warm", "cold"), [(None, 5), (5, None), (None, None), (5, 9), (5, 5)])
def test_memory_that_did_not_show_is_unknown(warm: int | None, cold: int | None) -> None:
    """Not zero, and not less than nothing where something else grew meanwhile."""
    found = ColdStarts(STARTS[1:2], warm, cold)
    document = cold_document(found)

    assert document is not None
    assert document["kept_bytes"] is None
    assert "MiB" not in in_words(found) and "loading" not in in_words(found)


def test_an_engine_without_cold_starts_has_none() -> None:
    """The document says so with null."""
    assert cold_document(None) is None
