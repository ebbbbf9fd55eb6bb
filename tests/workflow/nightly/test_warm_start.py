"""What a search takes over from earlier nights."""

from __future__ import annotations

import json
import shutil
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from tests.workflow.nightly.simulated_night import FAST, SLOW, Nights, study
from tuner.search.trial import Trial
from tuner.spec.space import Choices
from tuner.workflow.nightly.comparing.warm_start import FIRST, NIGHT_SD, WarmStart, warm_start

BUDGET_S = 60.0


@pytest.fixture(scope="module")
def one_night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of a night that searched, and compared as long as it could."""
    folder = tmp_path_factory.mktemp("nights")
    Nights(folder, study(slo_ms=400.0, budget_s=BUDGET_S)).compare()
    return folder


@pytest.fixture
def nights(one_night: Path, tmp_path: Path) -> Nights:
    """Give a night that went before, in a folder of one's own."""
    shutil.copytree(one_night, tmp_path / "n")
    found = Nights(tmp_path / "n", study(slo_ms=400.0), count=1)
    _rewrite(found, out=str(tmp_path / "n" / "night-1"))
    return found


def _rewrite(nights: Nights, **changes: str) -> None:
    """Write that the night was another one."""
    path = nights.folder / "nights" / "ledger.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    changed = [line | changes if line["what"] == "measuring" else line for line in lines]
    path.write_text("".join(json.dumps(line) + "\n" for line in changed))


def ago(days: float) -> str:
    """Return the instant so many days ago, as a ledger writes it."""
    return (datetime.now().astimezone() - timedelta(days=days)).isoformat(" ", "seconds")


def values(found: WarmStart) -> dict[int, float]:
    """Return the value of each trial by its batch."""
    return {int(t.candidate["num_batch"]): t.value for t in found.trials}


def test_a_first_night_knows_nothing(tmp_path: Path) -> None:
    """And has nothing to say."""
    assert warm_start(Nights(tmp_path).tonight()) == WarmStart()


def test_the_same_world_s_trials_inform_the_search(nights: Nights) -> None:
    """Those of the search, and not the blocks of the comparison; its best ones come first."""
    found = warm_start(nights.tonight())

    assert sorted(values(found)) == [64, 128, 256]
    assert values(found)[64] < values(found)[128] < values(found)[256]
    assert [c["num_batch"] for c in found.first] == [256, 128][:FIRST]
    assert found.told == "3 trials of 1 earlier nights inform the search"


def test_what_is_older_is_less_certain(nights: Nights) -> None:
    """Noise grows with the square root of the nights between; nothing else moves."""
    spreads = {}
    for days in (0, 100, 900):
        _rewrite(nights, at=ago(days))
        draws = []
        for seed in range(20):
            nights.study = study(slo_ms=400.0, seed=seed)
            draws.append(values(warm_start(nights.tonight()))[64])
        spreads[days] = float(np.std(draws))

    assert spreads[0] == pytest.approx(NIGHT_SD, rel=0.5)
    assert spreads[100] == pytest.approx(10 * NIGHT_SD, rel=0.5)
    assert spreads[900] == pytest.approx(30 * NIGHT_SD, rel=0.5)


def test_a_clock_that_was_put_back_makes_nothing_certain(nights: Nights) -> None:
    """A night of tomorrow is as old as the last one."""
    exact = values(warm_start(nights.tonight()))
    _rewrite(nights, at=ago(-30))

    assert values(warm_start(nights.tonight())) == exact


def test_another_world_s_trials_are_stale_and_its_best_comes_first(nights: Nights) -> None:
    """It is said what has changed; the search itself learns nothing of them."""
    nights.facts = {"engine": "another"}
    found = warm_start(nights.tonight())

    assert found.trials == ()
    assert [c["num_batch"] for c in found.first] == [256, 128][:FIRST]
    assert "stale (engine was simulated, is another)" in str(found.told)


def test_the_best_is_tried_first_in_the_next_world(nights: Nights) -> None:
    """So that a night that has little time looks at what was good."""
    nights.facts = {"engine": "another"}
    nights.study = study(
        slo_ms=400.0, budget_s=BUDGET_S, space={"num_batch": Choices(tuple(range(16, 272, 16)))}
    )
    found = nights.compare()
    tried = [t.candidate["num_batch"] for t in found.trials if t.origin == "neighbour"]

    assert tried[0] == 256
    assert [n for n in nights.watcher.notes if "stale" in n]


@pytest.mark.parametrize("facts", [{"engine": "simulated"}, {"engine": "another"}])
def test_a_night_whose_folder_is_gone_teaches_nothing(
    nights: Nights, facts: dict[str, str]
) -> None:
    """People tidy up; that is no error."""
    shutil.rmtree(nights.folder / "night-1")
    nights.facts = facts
    found = warm_start(nights.tonight())

    assert (found.trials, list(found.first)) == ([] if facts["engine"] == "simulated" else (), [])


def test_a_night_whose_files_are_broken_teaches_nothing_and_is_named(nights: Nights) -> None:
    """The others still do."""
    broken = next((nights.folder / "night-1" / "trials").glob("0*")) / "samples.jsonl"
    broken.write_text("nothing")
    found = warm_start(nights.tonight())

    assert found.told is None
    assert "teaches nothing" in nights.watcher.notes[-1]
    assert broken.parent.name in nights.watcher.notes[-1]


def test_a_night_that_was_cut_off_teaches_all_the_same(nights: Nights) -> None:
    """Its trials are kept, whatever came of it afterwards: the ledger has no end of it."""
    assert nights.ledger.lines("night") == []
    assert len(warm_start(nights.tonight()).trials) == 3


def test_what_serves_is_not_tried_first(nights: Nights) -> None:
    """It is measured anyway, and begins each search."""
    nights.study = study(slo_ms=400.0, baseline=FAST)
    first = warm_start(nights.tonight()).first

    assert [c["num_batch"] for c in first] == [128, 64][:FIRST]
    assert SLOW["num_batch"] == 64


def test_settings_of_knobs_that_are_gone_teach_nothing(nights: Nights) -> None:
    """An engine that lost a knob cannot try them."""
    tonight = nights.tonight()
    del tonight.engine.knobs["num_ctx"]  # type: ignore[attr-defined]

    assert list(warm_start(tonight).trials) == []
    assert isinstance(warm_start(nights.tonight()).trials[0], Trial)
