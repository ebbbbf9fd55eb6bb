"""What a server tells of itself is kept with what was measured, shown, and tried next."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.workflow.worlds import Recorder, study, world
from tuner.engines.base import Watch
from tuner.engines.observation import MORE, Level, Move, Observation, Reason
from tuner.report.documents import measurement_document, result_document
from tuner.report.measurement import show_measurement
from tuner.report.result import as_text, show_result
from tuner.spec.values import changes
from tuner.store.trial_folder import read_all
from tuner.testing.simulated import Answered, SimulatedEngine
from tuner.testing.virtual_time import run as virtually
from tuner.workflow.measuring.measure import measure
from tuner.workflow.tune.run import run

CAPPED = Reason("sequence cap", "requests waited while 4 of 4 ran", (Move("num_batch", MORE),))
SAID = "Server: sequence cap, since requests waited while 4 of 4 ran."


@dataclass(frozen=True)
class Told:
    observed: Observation | None

    async def observation(self) -> Observation | None:
        return self.observed


@dataclass(slots=True)
class Telling(SimulatedEngine):
    """An engine whose server gives a reason; it notes which requests were sent meanwhile."""

    observed: Observation | None = None
    watched: bool = False
    texts: list[tuple[bool, str]] = field(default_factory=list)

    @asynccontextmanager
    async def observing(self) -> AsyncIterator[Watch]:
        self.watched = True
        try:
            yield Told(self.observed)
        finally:
            self.watched = False


def telling(observed: Observation | None) -> Telling:
    """Return an engine over the world, which tells this of each trial."""

    def noting(settings: object, text: str, rng: object) -> Answered:
        made.texts.append((made.watched, text))
        return world(settings, text, rng)  # type: ignore[arg-type]

    made = Telling(noting, observed=observed)
    return made


WHOLE = Observation(9.5, {"requests": 20.0}, {"running": Level(1, 3.5, 4, 8)}, CAPPED)


def test_it_is_kept_with_the_trial_and_shown(tmp_path: Path) -> None:
    """The folder, the document and the table have it; the warm-up is not watched."""
    engine = telling(WHOLE)
    found, _ = virtually(measure(study(), tmp_path / "o", requests=20, engine=engine))
    (stored,) = read_all(tmp_path / "o")

    assert stored.measured.observed == found.observed == WHOLE
    document = json.loads((tmp_path / "o" / "measurement.json").read_text())["observed"]
    assert document["totals"] == {"requests": 20.0}
    assert document["levels"]["running"] == {"least": 1, "mean": 3.5, "most": 4, "n": 8}
    assert document["reason"]["moves"] == [{"knob": "num_batch", "to": "more", "at": None}]
    assert SAID in as_text(show_measurement(found, study()))
    assert {watched for watched, text in engine.texts if text.startswith("ok")} == {False}
    assert {watched for watched, text in engine.texts if text.startswith("template")} == {True}


@pytest.mark.parametrize("engine", [SimulatedEngine(world), telling(None)], ids=["mute", "silent"])
def test_what_is_not_told_spoils_nothing(tmp_path: Path, engine: SimulatedEngine) -> None:
    """Without a server that tells, or with one that fails to, the measurement stands."""
    found, _ = virtually(measure(study(), tmp_path / "o", requests=20, engine=engine))

    assert (found.n, found.observed) == (20, None)
    assert measurement_document(found, study(), {})["observed"] is None
    assert "Server:" not in as_text(show_measurement(found, study()))
    assert read_all(tmp_path / "o")[0].measured.observed is None


def test_what_it_proposes_is_tried_next_and_told_in_the_result(tmp_path: Path) -> None:
    """Of three knobs the one that the server's numbers name is soon moved alone, by a lot."""
    out, recorder = tmp_path / "o", Recorder()
    result = virtually(run(study(), out, recorder, telling(WHOLE)))
    doubled = [
        changes(later.candidate, earlier.candidate)
        for i, later in enumerate(result.trials[:5])
        for earlier in result.trials[:i]
        if later.origin == "neighbour"
        and later.candidate["num_batch"] == 2 * int(earlier.candidate["num_batch"])
    ]

    assert ("num_batch",) in doubled
    assert result_document(result)["trials"][0]["server_reason"] == "sequence cap"
    assert SAID in as_text(show_result(result))


def test_a_continued_run_still_knows_it(tmp_path: Path) -> None:
    """What was told of a trial comes from its folder."""
    out = tmp_path / "o"
    virtually(run(study(budget_s=300.0), out, Recorder(), telling(WHOLE)))
    again = virtually(
        run(study(budget_s=300.0), out, Recorder(), SimulatedEngine(world), resume=True)
    )

    assert again.trials[0].observed == WHOLE
