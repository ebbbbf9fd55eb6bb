"""What was shown to be better goes into service, and what fails there goes back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from tests.engines.files.server import Production, production
from tests.workflow.nightly.test_incumbent import put
from tests.workflow.service.folder import NAME, deployment, result, study
from tests.workflow.service.test_repair import last, whole
from tuner.cli import program
from tuner.evaluate.night import Challenger, Outcome
from tuner.spec.errors import EngineError
from tuner.spec.study import load
from tuner.workflow.nightly.asked import BY, Asked
from tuner.workflow.nightly.incumbent import Incumbent, incumbent
from tuner.workflow.nightly.into_service import promote, watch_by_day
from tuner.workflow.service.journal import locked

BETTER = Outcome("undecided", "it is better", Challenger("c", {"num_predict": 16}, 1, 0.01))


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Production]:
    """Give a folder in production with its study."""
    with production(tmp_path, "--ttft-ms", "1", "--itl-ms", "0.1") as found:
        study(tmp_path, found)
        yield found


def asked(there: Production, **changes: object) -> Asked:
    """Return a night of the name in service."""
    folder = there.folder.parent
    place = deployment(there)
    return Asked(load(folder / "tune.yaml"), place, folder / "night", **changes)  # type: ignore[arg-type]


def serves(night: Asked) -> Incumbent:
    """Return what serves when the night begins."""
    with locked(night.deployment) as journal:
        return incumbent(night.study, night.deployment, journal)


def promoted(night: Asked, run: Path, was: Incumbent | None = None) -> tuple[Outcome, list[str]]:
    """Put the result of a run into service as a night does; return what it said as well."""
    said: list[str] = []
    found = promote(night, was or serves(night), replace(BETTER, result=run), program, said.append)
    return found, said


def test_what_is_better_serves(there: Production, tmp_path: Path) -> None:
    """In the name of the night, with the way back said."""
    put(there, tmp_path / "old", "tune apply", num_predict=8)
    result(tmp_path / "r", "new")
    found, said = promoted(asked(there, requests=5), tmp_path / "r")

    assert found.decision == "promoted"
    assert f"it serves as {NAME} now" in found.why
    assert f"`tune rollback {NAME}` goes back" in found.why
    assert (whole(there), there.serves()) == ("new", "new")
    assert last().by == BY
    assert said[0].startswith("in place: ")


def test_where_nothing_served_a_night_may_be_the_first(there: Production, tmp_path: Path) -> None:
    """The study's baseline stood for it."""
    result(tmp_path / "r", "new")
    found, _ = promoted(asked(there, requests=0), tmp_path / "r")

    assert found.decision == "promoted"
    assert "nothing served before" in found.why
    assert there.serves() == "new"


def test_what_fails_in_place_is_taken_back(there: Production, tmp_path: Path) -> None:
    """A target that was met beside production and is not in it."""
    put(there, tmp_path / "old", "tune apply", num_predict=8)
    result(tmp_path / "r", "new", max_ms=0.01)
    found, _ = promoted(asked(there, requests=60), tmp_path / "r")

    assert found.decision == "rolled_back"
    assert found.why == (
        f"rolled back: a target failed in place; {NAME} serves what it served before"
    )
    assert (whole(there), there.serves()) == ("old", "old")


def test_what_does_not_start_is_taken_back(there: Production, tmp_path: Path) -> None:
    """With the reason."""
    put(there, tmp_path / "old", "tune apply", num_predict=8)
    result(tmp_path / "r", "new", fails=True)
    found, _ = promoted(asked(there, requests=0), tmp_path / "r")

    assert found.decision == "rolled_back"
    assert "ended with 1" in found.why
    assert (whole(there), there.serves()) == ("old", "old")


def test_what_somebody_put_there_meanwhile_stays(there: Production, tmp_path: Path) -> None:
    """The challenger was compared with something else."""
    put(there, tmp_path / "old", "tune apply", num_predict=8)
    night = asked(there, requests=0)
    was = serves(night)
    put(there, tmp_path / "mine", "tune apply", num_predict=9)
    result(tmp_path / "r", "new")
    found, _ = promoted(night, tmp_path / "r", was)

    assert found.decision == "undecided"
    assert "was changed by somebody else in the night" in found.why
    assert there.serves() == "mine"


def lost(there: Production, night: Asked, run: Path) -> Asked:
    """Promote a result whose server does not last, and return a night that watches it."""
    promoted(night, run)
    psutil.Process(there.pids[-1]).kill()
    return replace(night, watch_s=30.0)


def test_what_is_lost_by_day_brings_the_old_one_back(there: Production, tmp_path: Path) -> None:
    """By itself, and it is said why."""
    put(there, tmp_path / "old", "tune apply", num_predict=8)
    result(tmp_path / "r", "new")
    night = asked(there, requests=0)
    was = serves(night)
    watched = lost(there, night, tmp_path / "r")
    better = replace(BETTER, decision="promoted")
    found = watch_by_day(watched, was, better, program, str)

    assert found is not None
    assert found.decision == "rolled_back"
    assert found.why.startswith("by day it does not answer")
    assert f"{NAME} serves again what it served before" in found.why
    assert (whole(there), there.serves()) == ("old", "old")
    assert last().by == BY


def test_what_nothing_came_before_stays(there: Production, tmp_path: Path) -> None:
    """There is nothing to go back to."""
    result(tmp_path / "r", "new")
    night = asked(there, requests=0)
    watched, said = lost(there, night, tmp_path / "r"), list[str]()
    better = replace(BETTER, decision="promoted")

    assert watch_by_day(watched, Incumbent(None, {}), better, program, said.append) is None
    assert "nothing served before, so that it stays" in said[-1]
    assert whole(there) == "new"


def test_what_was_met_is_left_alone(there: Production, tmp_path: Path) -> None:
    """A watch that ends without a loss changes nothing, and no watch is asked for by default."""
    put(there, tmp_path / "old", "tune apply", num_predict=8)
    result(tmp_path / "r", "new")
    night = asked(there, requests=0)
    was, _ = serves(night), promoted(night, tmp_path / "r")
    better, said = replace(BETTER, decision="promoted"), list[str]()

    assert watch_by_day(night, was, better, program, said.append) is None
    assert said == []
    assert watch_by_day(replace(night, watch_s=2.0), was, better, program, said.append) is None
    assert said[-1] == "the watch ended: no target was shown to be lost"
    assert there.serves() == "new"


def test_what_cannot_be_brought_back_is_an_error(there: Production, tmp_path: Path) -> None:
    """The night fails then, and is told; a person has to look."""
    put(there, tmp_path / "old", "tune apply", num_predict=8)
    result(tmp_path / "r", "new")
    night = asked(there, requests=0)
    was = serves(night)
    watched = lost(there, night, tmp_path / "r")
    there.script.write_text("raise SystemExit('nothing starts here')\n")
    better = replace(BETTER, decision="promoted")
    with pytest.raises(EngineError, match="it does not answer"):
        watch_by_day(watched, was, better, program, str)

    assert whole(there) == "old"
    assert last().ended
