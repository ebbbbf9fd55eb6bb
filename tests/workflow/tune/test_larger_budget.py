"""A run continued with a larger budget uses it, says for what, and spends its error once."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.workflow.worlds import Recorder, study, world
from tuner.report.documents import result_document
from tuner.report.result import as_text, show_result
from tuner.search.error import ALPHAS
from tuner.search.result import Result
from tuner.spec.space import Choices, Range
from tuner.spec.values import Candidate, Guard, Slo
from tuner.testing.simulated import Answered, SimulatedEngine
from tuner.testing.virtual_time import run as virtually
from tuner.workflow.tune.run import run


def slope(settings: Candidate, text: str, rng: np.random.Generator) -> Answered:
    """Everything meets the target, and low temperatures answer faster."""
    answered = world({**settings, "num_batch": 256}, text, rng)
    return replace(answered, ttft_s=0.02 + 0.1 * float(settings["temperature"]))


def part(out: Path, budget_s: float, *, resume: bool = False, **changes: Any) -> Result:
    """Run a part of a study of the slope in virtual time."""
    given: dict[str, Any] = {
        "objective": "e2e_p99", "guard": Guard(0.5), "sampler": "random",
        "space": {"temperature": Range(0.0, 1.0)}, "baseline": {"num_predict": 64},
        "slos": (Slo("e2e", 0.9, 0.5),),
    }  # fmt: skip
    made = study(budget_s=budget_s, **(given | changes))
    return virtually(run(made, out, Recorder(), SimulatedEngine(slope), resume=resume))


def test_a_larger_budget_finds_and_proves_what_is_better(tmp_path: Path) -> None:
    """It searches on though there is a finalist, and what promises more has an error of its own."""
    first, second = part(tmp_path / "o", 40.0), part(tmp_path / "o", 400.0, resume=True)
    errors = [1 - c.confidence for m in second.finalists for c in m.certificates.values()]

    assert len(first.finalists) == 1
    assert first.continued == ()
    assert len(second.trials) > len(first.trials)
    assert "more trials in" in second.continued[0]
    assert [m.verdict for m in second.finalists] == ["PASS", "PASS"], second.continued
    assert any("promised more than what was proven" in said for said in second.continued)
    assert errors == pytest.approx(ALPHAS[: len(errors)])
    assert second.best is second.finalists[1]
    assert result_document(second)["continued"] == list(second.continued)
    assert "The larger budget brought: " in " ".join(as_text(show_result(second)).split())


def test_the_same_budget_again_changes_nothing(tmp_path: Path) -> None:
    """A finished run that is continued with what it had neither searches nor proves."""
    first, second = part(tmp_path / "o", 80.0), part(tmp_path / "o", 80.0, resume=True)

    assert second.continued == ()
    assert len(second.trials) == len(first.trials)
    assert [m.n for m in second.finalists] == [m.n for m in first.finalists]


def test_an_error_that_is_used_up_is_said(tmp_path: Path) -> None:
    """With five finalists tried nothing more can be proven, and no time goes into searching."""
    changes = {"slos": (Slo("e2e", 0.9, 0.1),), "guard": Guard()}
    first = part(tmp_path / "o", 200.0, **changes)
    second = part(tmp_path / "o", 600.0, resume=True, **changes)

    assert len(first.finalists) == len(second.finalists) == len(ALPHAS)
    assert len(second.trials) == len(first.trials)
    assert "the error of 5 % is spent on 5 finalists" in second.continued[0]
    assert first.reasons[-1].startswith("the error of 5 % is spent on 5 finalists")
    assert "name another --out" in second.continued[0]


def test_what_proves_slower_than_it_looked_leaves_room_for_a_better_second(tmp_path: Path) -> None:
    """In one run: the fastest tires in its proof, and the next one is proven too and chosen."""
    asked: Counter[int] = Counter()

    def tiring(settings: Candidate, text: str, rng: np.random.Generator) -> Answered:
        batch = int(settings["num_batch"])
        asked[batch] += 1
        ttft = {64: 0.3, 128: 0.2, 256: 0.28 if asked[256] > 80 else 0.15}[batch]
        answered = world({**settings, "temperature": 0.0}, text, rng)
        return replace(answered, ttft_s=ttft * float(rng.lognormal(0.0, 0.02)))

    made = study(
        budget_s=400.0, objective="e2e_p99", guard=Guard(0.5), slos=(Slo("e2e", 0.9, 0.5),),
        space={"num_batch": Choices((64, 128, 256))}, baseline={"num_batch": 64},
    )  # fmt: skip
    found = virtually(run(made, tmp_path / "o", Recorder(), SimulatedEngine(tiring)))

    assert [m.verdict for m in found.finalists] == ["PASS", "PASS"]
    assert [m.candidate["num_batch"] for m in found.finalists] == [256, 128]
    assert found.best is found.finalists[1]
    assert found.continued == ()
