"""What is known of Ollama without a server."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.ollama.stored import stored
from tuner.engines.ollama.kind import KIND


@pytest.mark.parametrize(
    ("told", "slots"), [("4", 4), (" '2' ", 2), ("0", None), ("", None), ("-1", None), ("x", None)]
)
def test_slots_come_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, told: str, slots: int | None
) -> None:
    """As Ollama reads it; what is no positive number says nothing."""
    monkeypatch.setenv("OLLAMA_NUM_PARALLEL", told)

    assert KIND.slots_by_environment() == slots


def test_a_model_of_its_folder_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No other is, nor one whose weights cannot be read."""
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path))
    stored(tmp_path, "small", "1b")
    found = KIND.known_model("small:1b")
    (tmp_path / "blobs" / "sha256-ab").unlink()

    assert found is not None
    assert found.name == "small:1b"
    assert KIND.known_model("small:1b") is None
    assert KIND.known_model("other") is None
