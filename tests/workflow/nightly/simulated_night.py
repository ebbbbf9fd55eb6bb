"""Nights in virtual time: a world with a knob that makes answers come sooner, and a ledger."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tests.workflow.worlds import SCHEMA, Recorder, templates
from tuner.engines.base import Engine
from tuner.spec.requests.workload import Workload
from tuner.spec.space import Choices
from tuner.spec.study import Study
from tuner.spec.values import Candidate, Guard, Slo
from tuner.store.run_folder import claimed
from tuner.testing.simulated import Answered, SimulatedEngine
from tuner.testing.virtual_time import run as virtually
from tuner.workflow.measuring.candidates import baseline
from tuner.workflow.measuring.run_time import unbounded
from tuner.workflow.nightly.comparing.compare import compare
from tuner.workflow.nightly.comparing.tonight import Compared, Tonight
from tuner.workflow.nightly.incumbent import Incumbent
from tuner.workflow.nightly.ledger import Ledger

SLOW, FAST = {"num_batch": 64}, {"num_batch": 256}


def world(settings: Candidate, text: str, rng: np.random.Generator) -> Answered:
    """Answer sooner with larger batches, and always right."""
    ttft = 0.05 + 6.0 / float(settings["num_batch"]) * float(rng.lognormal(0.0, 0.05))
    return Answered(ttft, 0.001, json.dumps({"n": int(text.split()[-1])}), 4)


def alike(settings: Candidate, text: str, rng: np.random.Generator) -> Answered:
    """Answer in about the same time, whatever the settings are."""
    return world(SLOW, text, rng)


def study(held_out: int = 240, slo_ms: float = 5000.0, **changes: Any) -> Study:
    """Return a study of the world, whose target every setting meets."""
    given: dict[str, Any] = {
        "name": "nights",
        "engine": "simulated",
        "model": "simulated",
        "workload": Workload(templates(2 * held_out), {"n": tuple(range(500))}, SCHEMA, hash="abc"),
        "slos": (Slo("e2e", 0.9, slo_ms / 1000),),
        "guard": Guard(max_drop=0.05),
        "baseline": SLOW,
        "space": {"num_batch": Choices((64, 128, 256))},
        "budget_s": 600.0,
        "objective": "e2e_p99",
        "file": "nights.yaml",
    }
    return Study(**given | changes)


@dataclass
class Nights:
    """Nights in one folder; each has an engine of its own, in the world of then."""

    folder: Path
    study: Study = field(default_factory=study)
    facts: dict[str, Any] = field(default_factory=lambda: {"engine": "simulated"})
    anchor: Candidate | None = None
    watcher: Recorder = field(default_factory=Recorder)
    count: int = 0

    @property
    def ledger(self) -> Ledger:
        """Return the ledger that all nights have in common."""
        (self.folder / "nights").mkdir(exist_ok=True)
        return Ledger(self.folder / "nights")

    def tonight(self, engine: Engine | None = None, **changes: Any) -> Tonight:
        """Return a night that begins."""
        self.count += 1
        engine = engine or SimulatedEngine(world, seed=self.count)
        base = baseline(self.study, engine)
        anchor = None if self.anchor is None else dict(base) | dict(self.anchor)
        given: dict[str, Any] = {
            "study": self.study,
            "engine": engine,
            "out": self.folder / f"night-{self.count}",
            "serves": Incumbent(None, base, anchor),
            "base": base,
            "ledger": self.ledger,
            "world": self.ledger.world(self.facts),
            "watcher": self.watcher,
            "ends_in": unbounded,
        }
        return Tonight(**given | changes)

    def compare(self, tonight: Tonight | None = None) -> Compared:
        """Do the comparison of a night in virtual time, and write it down as a night does."""
        tonight = tonight or self.tonight()
        self.ledger.measuring(tonight.world, tonight.out)
        with claimed(tonight.out):
            return virtually(compare(tonight))
