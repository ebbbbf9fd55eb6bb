"""Whether there is room beside production is told before anything is started."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.workflow.worlds import study
from tuner.spec.beside import Beside, Production
from tuner.spec.errors import Busy
from tuner.spec.study import Study
from tuner.testing.fake_engine import FakeEngine
from tuner.workflow.beside.room import ensure_room, no_room

PRODUCTION = Production(("stop",), ("start",), "http://127.0.0.1:1/health")


def of(beside: Beside | None) -> Study:
    """Return a study beside a production."""
    return replace(study(), engine="fake", beside=beside)


def engine(folder: Path, weights: int | None) -> FakeEngine:
    """Return an engine whose model has so many bytes of weights."""
    found = FakeEngine(folder)
    found.model = replace(found.model, weights_bytes=weights)
    return found


def test_weights_for_which_no_memory_is_free_find_no_room(tmp_path: Path) -> None:
    """With what they need and what is free; the study's own commands are named."""
    large = engine(tmp_path, 2**60)
    with pytest.raises(Busy, match="no room beside production: the weights alone need") as busy:
        ensure_room(of(Beside(production=PRODUCTION)), large)

    assert "--pause-production" in str(busy.value)
    with pytest.raises(Busy, match=r"see beside\.pause"):
        ensure_room(of(Beside()), large)


def test_what_fits_or_is_unknown_may_try(tmp_path: Path) -> None:
    """And a study that runs beside nothing fails as it always did."""
    ensure_room(of(Beside()), engine(tmp_path, 1000))
    ensure_room(of(Beside()), engine(tmp_path, None))
    ensure_room(of(None), engine(tmp_path, 2**60))

    assert no_room(of(None), engine(tmp_path, 2**60)) is not None
