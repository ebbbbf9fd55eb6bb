"""What was rendered of a candidate is what is created and what is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.workflow.worlds import study, world
from tuner.modelfile.create_request import create_request
from tuner.modelfile.document import parse
from tuner.spec.requests.workload import Supply
from tuner.spec.values import Candidate, Effective
from tuner.store.trial_folder import Place
from tuner.testing.simulated import SimulatedEngine
from tuner.testing.virtual_time import run as virtually
from tuner.workflow.measuring.candidates import baseline
from tuner.workflow.measuring.session import Session
from tuner.workflow.measuring.trial_spec import TrialSpec


@dataclass
class Creating(SimulatedEngine):
    """A simulated engine that makes models, and remembers of what."""

    created: list[Mapping[str, Any]] = field(default_factory=list)

    async def create(self, candidate: Candidate, body: Mapping[str, Any]) -> Effective:
        self.created.append(body)
        return await self.apply(candidate)


def test_the_written_modelfile_is_the_one_that_was_created(tmp_path: Path) -> None:
    """The trial's folder holds the Modelfile of the model that answered."""
    engine, made = Creating(world), study()

    async def work() -> None:
        session = Session(made, engine, tmp_path, 60.0)
        prompts = Supply(made.workload, held_out=False, seed=0).prompts(0)
        spec = TrialSpec("0000", Place("measure"), prompts, 2, as_model=True)
        await session.measure(baseline(made, engine), spec)
        await session.aclose()

    virtually(work())
    written = (tmp_path / "trials" / "0000" / "Modelfile").read_text()

    assert engine.created == [create_request(parse(written))]
