"""A small simulated world with a frontier between speed and correctness."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tuner.search.trial import Trial
from tuner.spec.requests.workload import Template, Workload
from tuner.spec.space import Choices, Range
from tuner.spec.study import Study
from tuner.spec.values import Candidate, Guard, Load, Message, Slo
from tuner.testing.simulated import Answered

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


def world(settings: Candidate, text: str, rng: np.random.Generator) -> Answered:
    """Larger batches are faster, hot answers are wrong, short limits cut them."""
    ttft = 0.05 + 6.0 / float(settings["num_batch"]) * float(rng.lognormal(0.0, 0.05))
    number = int(text.split()[-1])
    wrong = rng.random() < 0.6 * float(settings["temperature"])
    needed = 12
    cut = int(settings["num_predict"]) < needed
    tokens = min(needed, int(settings["num_predict"]))
    answer = json.dumps({"n": number + 1 if wrong else number})
    return Answered(ttft, 0.01, answer, tokens, "length" if cut else "stop")


def templates(count: int) -> tuple[Template, ...]:
    """Return templates, half of them held out."""
    return tuple(
        Template(
            f"t{i}", (Message("user", f"template {i} says {{n}}"),), {"n": "{n}"}, f"k{i % 3}",
            held_out=i % 2 == 1,
        )
        for i in range(count)
    )  # fmt: skip


def study(**changes: Any) -> Study:
    """Return a study of the world: a target that its baseline misses."""
    given: dict[str, Any] = {
        "name": "world",
        "engine": "simulated",
        "model": "simulated",
        "workload": Workload(
            templates(240), {"n": tuple(range(500))}, SCHEMA, load=Load(), hash="abc"
        ),
        "slos": (Slo("e2e", 0.99, 0.3),),
        "guard": Guard(0.9, 0.5, 0.02),
        "baseline": {"num_batch": 32, "temperature": 0.7, "num_predict": 64},
        "space": {
            "num_batch": Choices((32, 64, 128, 256)),
            "temperature": Range(0.0, 1.0),
            "num_predict": Range(4, 64, step=4),
        },
        "budget_s": 900.0,
        "objective": "correct",
        "file": "world.yaml",
    }
    return Study(**given | changes)


@dataclass
class Recorder:
    """A watcher that remembers."""

    phases: list[str] = field(default_factory=list)
    trials: list[Trial] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def phase(self, text: str) -> None:
        self.phases.append(text)

    def trial(self, trial: Trial, planned: int, left_s: float) -> None:
        self.trials.append(trial)

    def note(self, text: str) -> None:
        self.notes.append(text)


def trial_folders(out: Path) -> list[Path]:
    """Return the trial folders of a run, partial ones included."""
    return sorted((out / "trials").iterdir())
