"""What is said of an event: text for people, and what it does to an incident."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.telling.event import Event
from tuner.telling.messages import TEST, message


@pytest.mark.parametrize(
    ("kind", "does"),
    [("promoted", "tells"), ("rolled_back", "opens"), ("target_lost", "opens"),
     ("failed", "opens"), ("all_clear", "resolves")],
)  # fmt: skip
def test_alarms_open_an_incident_and_an_all_clear_resolves_it(kind: str, does: str) -> None:
    """A promotion does neither."""
    found = message(Event(kind, "chat", "It is so."))  # type: ignore[arg-type]

    assert found.does == does
    assert found.title == f"modelfile-tuner: chat: {kind.replace('_', ' ')}"


def test_a_number_is_told_with_its_name_and_an_unknown_one_is_not() -> None:
    """Never as a zero."""
    event = Event("failed", "chat", "It failed.", {"p99 in ms": 412.5, "trials": 0, "gain": None})

    assert message(event).body.splitlines() == ["It failed.", "p99 in ms: 412.5", "trials: 0"]


@given(st.text(), st.none() | st.text())
def test_what_opens_and_what_resolves_have_one_key(name: str, key: str | None) -> None:
    """Whatever is in it; it is never longer than a service takes."""
    opens, resolves = (
        message(Event("failed", name, "So.", key=key)),
        message(Event("all_clear", name, "So.", key=key)),
    )

    assert opens.key == resolves.key
    assert len(opens.key) <= 255


def test_names_in_service_have_incidents_of_their_own() -> None:
    """An all-clear of one leaves the other's open."""
    assert message(Event("failed", "a", "So.")).key != message(Event("failed", "b", "So.")).key


def test_a_test_resolves_what_it_opens() -> None:
    """With one key, after it."""
    assert [m.does for m in TEST] == ["opens", "resolves"]
    assert len({m.key for m in TEST}) == 1
