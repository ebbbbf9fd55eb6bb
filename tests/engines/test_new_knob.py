"""A knob is one entry: with it alone the knob is searched, sent, written, read back and linted."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tests.workflow.worlds import Recorder, study
from tuner.engines.llamacpp.engine import KNOBS
from tuner.modelfile.document import parse
from tuner.spec.errors import InputError
from tuner.spec.knobs import Knob, by_name
from tuner.spec.space import Choices
from tuner.spec.values import Guard, Slo
from tuner.testing.fake_engine import FakeEngine
from tuner.workflow.measuring.candidates import baseline
from tuner.workflow.modelfiles.lint import lint
from tuner.workflow.tune.run import run

NEW = Knob("typical_p", "request", 1.0, least=0, neutral=1.0, about="Draw among typical tokens.")
SEARCHED = study(
    engine="fake",
    baseline={"typical_p": 0.9},
    space={"typical_p": Choices((0.5, 0.9, 1.0))},
    slos=(Slo("e2e", 0.99, 5.0),),
    guard=Guard(),
    budget_s=12.0,
)


class Extended(FakeEngine):
    """The engine with one knob more."""

    knobs = by_name(*KNOBS.values(), NEW)


def test_one_entry_is_searched_sent_read_back_written_and_linted(tmp_path: Path) -> None:
    """Each trial asked for it, the server says that it is in force, and the Modelfile holds it."""
    engine = Extended(tmp_path / "engine", ("--ttft-ms", "1", "--itl-ms", "0"))

    result = asyncio.run(run(SEARCHED, tmp_path / "out", Recorder(), engine))

    measured = [t.candidate["typical_p"] for t in result.trials if t.state == "complete"]
    assert set(measured) >= {0.9}
    assert len(set(measured)) > 1
    best = result.best
    assert best is not None and best.effective is not None
    asked = best.candidate["typical_p"]
    assert best.effective.settings["typical_p"] == pytest.approx(asked)
    written = dict(parse((tmp_path / "out" / "Modelfile").read_text()).parameters)
    assert float(written["typical_p"]) == pytest.approx(asked)
    assert [file.errors for file in lint([tmp_path / "out" / "Modelfile"])] == [0]
    asked_for = json.loads(engine.request((), best.candidate, None).body)
    assert asked_for["typical_p"] == pytest.approx(asked)


def test_its_range_is_one_of_its_facts(tmp_path: Path) -> None:
    """A number below the least that has a meaning is refused before anything starts."""
    engine = Extended(tmp_path)

    with pytest.raises(InputError, match=r"typical_p: expected 0 or more, found -1"):
        baseline(SEARCHED, engine, {"typical_p": -1.0})
