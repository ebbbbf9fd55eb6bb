"""A run of the small simulated world, and its page."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.workflow.worlds import Recorder, study, world
from tuner.spec.values import Guard, Slo
from tuner.testing.simulated import SimulatedEngine
from tuner.testing.virtual_time import run as virtually
from tuner.workflow.tune.run import run


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of a finished run; tests change copies of it only."""
    out = tmp_path_factory.mktemp("reported") / "out"
    easy = study(budget_s=170.0, guard=Guard(0.8, 0.4), slos=(Slo("e2e", 0.95, 0.3),))
    virtually(run(easy, out, Recorder(), SimulatedEngine(world)))
    return out
