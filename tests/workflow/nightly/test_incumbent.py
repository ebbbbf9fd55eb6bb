"""What serves when a night begins, and the settings that a person put into service last."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.engines.files.server import SETTINGS, Production, production
from tests.workflow.service import folder
from tests.workflow.service.folder import deployment
from tuner.spec.knobs import Knob
from tuner.spec.study import load
from tuner.workflow.nightly.asked import BY, NotTonight
from tuner.workflow.nightly.incumbent import Incumbent, incumbent, is_there, with_whole_anchor
from tuner.workflow.service.apply import apply
from tuner.workflow.service.journal import locked
from tuner.workflow.service.proposal import propose
from tuner.workflow.service.way_back import go_back, last_kept

PERSON = "tune apply"


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Production]:
    """Give a folder in production with its study."""
    with production(tmp_path, "--ttft-ms", "1", "--itl-ms", "0.1") as found:
        folder.study(tmp_path, found)
        yield found


def put(there: Production, run: Path, by: str, **candidate: Any) -> None:
    """Put the result of a run with such settings into service."""
    folder.result(run, run.name)
    document = json.loads((run / "result.json").read_text())
    document["best"]["candidate"] = candidate
    document["environment"]["model_digest"] = f"sha256:{run.name}"
    (run / "result.json").write_text(json.dumps(document))
    name = deployment(there)
    with locked(name) as journal:
        apply(propose(run, "env", name), name, journal, datetime.now(), str, by=by)


def back(there: Production, by: str) -> None:
    """Bring back what served before."""
    name = deployment(there)
    with locked(name) as journal:
        go_back(name, journal, last_kept(name, journal), datetime.now(), by)


def now(there: Production) -> Incumbent:
    """Return what a night takes for what serves."""
    name = deployment(there)
    with locked(name) as journal:
        return incumbent(load(there.folder.parent / "tune.yaml"), name, journal)


def test_where_nothing_serves_the_study_s_baseline_does(there: Production) -> None:
    """There is no version yet, and nobody to compare with besides."""
    assert now(there) == Incumbent(None, {"num_predict": 16})


def test_what_a_person_applied_is_its_own_anchor(there: Production, tmp_path: Path) -> None:
    """With the settings and the model that it was measured with."""
    put(there, tmp_path / "a", PERSON, num_predict=1)
    found = now(there)

    assert found.version == deployment(there).current()
    assert (found.candidate, found.anchor) == ({"num_predict": 1}, None)
    assert found.model == "sha256:a"


def test_the_anchor_stays_while_nights_promote(there: Production, tmp_path: Path) -> None:
    """However many of them: so small drops do not add up."""
    put(there, tmp_path / "a", PERSON, num_predict=1)
    put(there, tmp_path / "b", BY, num_predict=2)
    put(there, tmp_path / "c", BY, num_predict=3)
    found = now(there)

    assert (found.candidate, found.anchor) == ({"num_predict": 3}, {"num_predict": 1})


def test_a_later_apply_moves_the_anchor(there: Production, tmp_path: Path) -> None:
    """A person's word counts, whatever it was before."""
    put(there, tmp_path / "a", PERSON, num_predict=1)
    put(there, tmp_path / "b", BY, num_predict=2)
    put(there, tmp_path / "c", PERSON, num_predict=3)

    assert (now(there).candidate, now(there).anchor) == ({"num_predict": 3}, None)


def test_a_person_s_rollback_is_their_word_as_well(there: Production, tmp_path: Path) -> None:
    """What they brought back is what they want, though a night put it there first."""
    put(there, tmp_path / "a", PERSON, num_predict=1)
    put(there, tmp_path / "b", BY, num_predict=2)
    put(there, tmp_path / "c", BY, num_predict=3)
    back(there, "tune rollback")
    found = now(there)

    assert (found.candidate, found.anchor) == ({"num_predict": 2}, None)


def test_a_night_that_takes_back_moves_no_anchor(there: Production, tmp_path: Path) -> None:
    """What serves again has the anchor that it had."""
    put(there, tmp_path / "a", PERSON, num_predict=1)
    put(there, tmp_path / "b", BY, num_predict=2)
    put(there, tmp_path / "c", BY, num_predict=3)
    back(there, BY)
    found = now(there)

    assert (found.candidate, found.anchor) == ({"num_predict": 2}, {"num_predict": 1})


def test_what_tune_did_not_put_there_is_no_incumbent(there: Production, tmp_path: Path) -> None:
    """Nothing is known of its settings; people have to look."""
    folder.incumbent(there, tmp_path / "mine")
    with pytest.raises(NotTonight, match="api was not put there by tune") as found:
        now(there)

    assert found.value.alarm


def test_what_was_edited_is_no_incumbent(there: Production, tmp_path: Path) -> None:
    """It is not what was measured; the file is named."""
    put(there, tmp_path / "a", PERSON, num_predict=1)
    (there.folder / "current" / SETTINGS).write_text("{}")
    with pytest.raises(NotTonight, match=rf"{SETTINGS} of what serves as api was changed by hand"):
        now(there)


def test_what_is_down_is_said_to_have_been_so_before(there: Production, tmp_path: Path) -> None:
    """So that nobody takes it for the night's doing."""
    put(there, tmp_path / "a", PERSON, num_predict=1)
    psutil.Process(there.pids[-1]).kill()
    with pytest.raises(NotTonight, match="api did not serve before the night began"):
        now(there)


def test_it_is_noticed_that_something_else_serves(there: Production, tmp_path: Path) -> None:
    """Also where nothing did."""
    nothing = now(there)
    put(there, tmp_path / "a", PERSON, num_predict=1)
    found, name = now(there), deployment(there)

    assert is_there(name, found)
    assert not is_there(name, nothing)


def test_an_anchor_has_the_knobs_of_the_engine_as_it_is() -> None:
    """An update may bring knobs and take some away: what is compared has to start all the same."""
    knobs = {"n": Knob("n", "request", 1), "new": Knob("new", "restart", 7)}
    found = with_whole_anchor(Incumbent(None, {"n": 2}, {"n": 3, "gone": 1}), knobs)

    assert found.anchor == {"n": 3, "new": 7}
    assert with_whole_anchor(Incumbent(None, {"n": 2}), knobs).anchor is None
