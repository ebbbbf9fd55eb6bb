"""Notes on a name in service: one process changes it, and who is killed leaves word."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from tuner.spec.errors import InputError, Locked
from tuner.workflow.service.notes import Note, locked

HOST = "http://127.0.0.1:11434"
NOTE = Note("mine:latest", "sha256:1", "mine:before", "2026-01-01T00:00:00")


@pytest.mark.parametrize(
    ("address", "name"),
    [(HOST, "mine:latest"), ("http://localhost:11434", "Mine:Latest"),
     ("http://[::1]:11434", "mine:latest")],
)  # fmt: skip
def test_one_name_has_one_lock_however_it_is_written(address: str, name: str) -> None:
    """Ollama heeds no case in names, and a machine has several names for itself."""
    with locked(HOST, "mine:latest"), pytest.raises(Locked, match="being changed by another"), \
            locked(address, name):  # fmt: skip
        pass


def test_other_names_and_servers_are_not_held() -> None:
    """Two applies of two names do not wait for each other."""
    with locked(HOST, "a"), locked(HOST, "b"), locked("http://127.0.0.1:11435", "a"):
        pass


def test_an_apply_that_was_not_checked_is_known_to_the_next_one() -> None:
    """Until it stays or is taken back; a first one can be taken back later."""
    first = dataclasses.replace(NOTE, kept=None)
    with locked(HOST, "mine") as notes:
        notes.begin(NOTE)
    with locked(HOST, "mine") as notes:
        assert notes.unchecked() == NOTE
        notes.settle(NOTE)
        assert (notes.unchecked(), notes.first()) == (None, None)
        notes.begin(first)
        notes.settle(first)
        assert (notes.unchecked(), notes.first()) == (None, first)
        notes.forget(first=True)
        assert notes.first() is None


@pytest.mark.parametrize("content", ["{", "[]", "7", "{}", '{"name": "a"}'])
def test_a_note_that_cannot_be_read_is_named(content: str) -> None:
    """What became of the name is then for the user to say."""
    with locked(HOST, "mine") as notes:
        notes.begin(NOTE)
        file = Path(f"{notes.base}.unchecked.json")
        file.write_text(content)
        with pytest.raises(InputError, match=r"is no note of an apply .*; remove it to go on"):
            notes.unchecked()
