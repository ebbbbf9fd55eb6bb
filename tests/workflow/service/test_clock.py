"""A clock that is put back, as an hour of summer time is each year, loses and confuses nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from tests.cli.test_apply import result_of
from tests.cli.test_cli import tune
from tests.ollama import faked
from tuner.engines.ollama.emitted.deployment import OllamaDeployment
from tuner.engines.ollama.models import OllamaModels
from tuner.workflow.service.apply import apply
from tuner.workflow.service.journal import locked
from tuner.workflow.service.proposal import propose

LATE, EARLY = datetime(2026, 10, 25, 2, 50), datetime(2026, 10, 25, 2, 10)


@pytest.fixture
def host() -> Iterator[str]:
    """Give a server that serves the first of several models."""
    with faked.running() as address:
        OllamaModels(address).create("x", {"from": faked.MODEL, "system": "first"})
        yield address


def put(host: str, folder: Path, system: str, now: datetime) -> str | None:
    """Put a model into service at an instant, without a check; return what is kept."""
    text = Path(result_of(folder)) / "Modelfile"
    text.write_text(text.read_text().replace("SYSTEM new", f"SYSTEM {system}"))
    x = OllamaDeployment(host, "x")
    with locked(x) as journal:
        return apply(propose(folder, "env", x), x, journal, now, print).kept


def test_what_served_last_comes_back_first(host: str, tmp_path: Path) -> None:
    """Whatever the dates say: the journal knows what came after what."""
    put(host, tmp_path / "a", "second", LATE)
    put(host, tmp_path / "b", "third", EARLY)
    served = []
    for _ in range(2):
        found = tune("rollback", "x", "--attach", host, cwd=tmp_path)
        assert found.returncode == 0, found.stderr
        served.append(OllamaModels(host).modelfile("x"))

    assert ['SYSTEM """second"""' in served[0], 'SYSTEM """first"""' in served[1]] == [True, True]


def test_two_that_are_kept_at_one_instant_are_two(host: str, tmp_path: Path) -> None:
    """The second does not take the place of the first."""
    kept = [put(host, tmp_path / text, text, LATE) for text in ("second", "third")]
    models = OllamaModels(host)

    assert len(set(kept)) == 2
    assert all(label is not None and label in models.names() for label in kept)
    assert 'SYSTEM """first"""' in models.modelfile(kept[0] or "")
    assert 'SYSTEM """second"""' in models.modelfile(kept[1] or "")
