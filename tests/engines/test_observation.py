"""What a server told of several blocks is told together, and what one lacks is unknown."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.engines.observation import (
    NOT_CLEAR,
    Level,
    Move,
    Observation,
    Reason,
    document,
    from_document,
    in_words,
    level,
    merged,
)

CAP = Reason("sequence cap", "4 of 4 ran", (Move("cap", "more"), Move("other", 7)))
KV = Reason("KV pressure", "the blocks were full")
ONE = Observation(10.0, {"requests": 20.0, "steps": 5.0}, {"running": Level(1, 2.0, 4, 10)}, CAP)
OTHER = Observation(5.0, {"requests": 10.0}, {"running": Level(0, 5.0, 6, 5)}, CAP)


def test_blocks_add_up() -> None:
    """Growth is summed where both tell it, levels are weighed by their readings."""
    both = merged(ONE, OTHER)

    assert both is not None
    assert (both.elapsed_s, both.totals) == (15.0, {"requests": 30.0})
    assert both.levels == {"running": Level(0, pytest.approx(3.0), 6, 15)}
    assert both.reason == CAP
    assert merged(None, ONE) == merged(ONE, None) == ONE
    assert merged(None, None) is None


def test_blocks_with_unlike_reasons_have_none_together() -> None:
    """They differ, which is said; a third one does not settle it."""
    differ = merged(ONE, Observation(1.0, reason=KV))
    assert differ is not None
    third = merged(differ, ONE)
    assert third is not None

    assert (differ.reason.name, third.reason.name) == (NOT_CLEAR, NOT_CLEAR)
    assert differ.reason.because == "blocks differ: sequence cap (4 of 4 ran), then KV pressure"
    assert differ.reason.moves == ()


def test_a_server_that_began_anew_says_nothing() -> None:
    """Nor do the blocks before it, together with it."""
    anew = merged(ONE, Observation(1.0, restarted=True))

    assert anew is not None
    assert (anew.restarted, anew.totals) == (True, {})
    assert in_words(anew).startswith("Server: its counters began anew")
    assert in_words(ONE) == "Server: sequence cap, since 4 of 4 ran."


numbers = st.floats(0, 1e9)
observations = st.builds(
    Observation,
    numbers,
    st.dictionaries(st.text(max_size=4), numbers, max_size=3),
    st.dictionaries(st.text(max_size=4), st.lists(numbers, min_size=1).map(level), max_size=2),
    st.sampled_from([CAP, KV]),
    st.booleans(),
)


@given(st.none() | observations, st.none() | observations)
def test_what_is_written_is_read_back(one: Observation | None, other: Observation | None) -> None:
    """Through JSON nothing is lost, of one or of both together."""
    for found in (one, merged(one, other)):
        assert from_document(json.loads(json.dumps(document(found)))) == found
