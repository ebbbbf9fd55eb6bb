"""What else the machine did is kept with each trial and named in the result."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from tests.workflow.worlds import Recorder, study, world
from tuner.machine.disturbance import Disturbance
from tuner.report.documents import result_document
from tuner.report.measurement import show_measurement
from tuner.report.result import as_text, show_result
from tuner.search.result import Result
from tuner.store import trial_folder
from tuner.testing.fake_engine import FakeEngine
from tuner.testing.simulated import SimulatedEngine
from tuner.testing.virtual_time import run as virtually
from tuner.workflow.measuring.measure import measure
from tuner.workflow.tune.run import run

LOADED = Disturbance(30.0, others=0.34, swapped_in_bytes=2**24)
CALM = Disturbance(30.0, others=0.01)


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, Path]:
    """Give a finished run of a simulated world."""
    out = tmp_path_factory.mktemp("run") / "out"
    tuned = run(study(budget_s=120.0), out, Recorder(), SimulatedEngine(world))
    return virtually(tuned), out


def test_a_simulated_world_has_no_machine(simulated: tuple[Result, Path]) -> None:
    """What the real machine does is nothing to a run in virtual time."""
    result, out = simulated

    assert result.windows == {}
    assert all(k.measured.machine is None for k in trial_folder.read_all(out))
    assert result_document(result)["disturbances"] == {
        "observed": 0, "sentences": [], "trials": {},
    }  # fmt: skip


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
def test_a_measurement_on_this_machine_is_observed(tmp_path: Path) -> None:
    """A real engine's window is kept in its trial's folder and in the document, and is the same."""
    bare = replace(study(), engine="fake", baseline={}, space={})
    engine = FakeEngine(tmp_path / "logs", ("--ttft-ms", "1", "--itl-ms", "0.1"))
    found, _ = asyncio.run(measure(bare, tmp_path / "o", requests=10, engine=engine))
    (kept,) = trial_folder.read_all(tmp_path / "o")
    document = json.loads((tmp_path / "o" / "measurement.json").read_text())

    assert found.machine is not None
    assert found.machine == kept.measured.machine
    assert 0 <= found.machine.others <= 1
    assert document["machine"]["elapsed_s"] == found.machine.elapsed_s > 0
    shown = as_text(show_measurement(replace(found, machine=LOADED), bare))
    assert "Disturbed: other processes took 34 % of the CPUs during the measurement." in shown


def test_the_result_names_what_was_disturbed(simulated: tuple[Result, Path]) -> None:
    """Terminal and JSON say which block was disturbed by how much; calm ones are not listed."""
    result = replace(simulated[0], windows={"finalist-1-2": LOADED, "0003": CALM})
    document = json.loads(json.dumps(result_document(result)))["disturbances"]

    said = "other processes took 34 % of the CPUs during finalist-1-2"
    assert f"  - disturbed: {said}\n" in as_text(show_result(result))
    assert said in document["sentences"]
    assert document["observed"] == 2
    assert document["trials"].keys() == {"finalist-1-2"}


def test_windows_come_back_with_the_folders(simulated: tuple[Result, Path], tmp_path: Path) -> None:
    """A trial is read back with its window; one from before there was the field has none."""
    kept = trial_folder.read_all(simulated[1])[0]
    (tmp_path / "trials").mkdir()
    loaded = replace(kept, measured=replace(kept.measured, machine=LOADED))
    trial_folder.write(tmp_path, loaded, {}, "")
    folder = tmp_path / "trials" / kept.name
    assert trial_folder.read(folder) == loaded

    facts = json.loads((folder / "trial.json").read_text())
    del facts["machine"]
    (folder / "trial.json").write_text(json.dumps(facts))
    assert trial_folder.read(folder).measured == kept.measured


def test_a_continued_run_names_what_was_disturbed_before(
    simulated: tuple[Result, Path], tmp_path: Path
) -> None:
    """Windows of the trials that were finished before count in the result."""
    out = Path(shutil.copytree(simulated[1], tmp_path / "o"))
    file = out / "trials" / "0000" / "trial.json"
    facts = json.loads(file.read_text())
    file.write_text(json.dumps(facts | {"machine": asdict(LOADED)}))
    again = run(study(budget_s=120.0), out, Recorder(), SimulatedEngine(world), resume=True)

    assert virtually(again).windows == {"0000": LOADED}
