"""What a user may name as a side, and what is refused, with the reason."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from tests.workflow.nightly.simulated_night import world
from tests.workflow.validating.worlds import STUDY
from tuner import __version__
from tuner.spec.errors import InputError, NotComparable, TunerError
from tuner.spec.requests.workload import Shot
from tuner.testing.simulated import SimulatedEngine
from tuner.testing.virtual_time import run as virtually
from tuner.workflow.validating.asked import Asked, Sides
from tuner.workflow.validating.named_sides import candidates, form_of
from tuner.workflow.validating.validate import validate

ENGINE = SimulatedEngine(world)
SHOTS = (Shot("one", "hello", "hi"), Shot("two", "bye", "see you"))


def read(a: str, b: str) -> Sides:
    """Return both sides."""
    systems, shots = {"brief": "Be brief."}, SHOTS
    workload = dataclasses.replace(STUDY.workload, systems=systems, shots=shots)
    return candidates(Asked(dataclasses.replace(STUDY, workload=workload), a, b, Path("o")), ENGINE)


def result(folder: Path, **changes: Any) -> str:
    """Write a result as a run leaves it; return its folder."""
    folder.mkdir(exist_ok=True)
    environment = {"engine": "simulated", "model": "simulated", "tuner_version": __version__}
    facts = {"candidate": {"num_batch": 128}, "workload_hash": "abc", "environment": environment}
    best = {**facts, **changes}
    (folder / "result.json").write_text(json.dumps({"schema": "tuner.result/1", "best": best}))
    return str(folder)


def modelfile(folder: Path, text: str, name: str = "Modelfile") -> str:
    """Write a Modelfile; return its path."""
    (folder / name).write_text(text)
    return str(folder / name)


def refused(a: str, b: str = "baseline") -> TunerError:
    """Return the error that two sides make."""
    with pytest.raises(TunerError) as found:
        read(a, b)
    return found.value


def test_settings_come_on_top_of_the_baseline() -> None:
    """Several at a time, with the values of the command line."""
    found = read("baseline", "num_batch=256, temperature=0.1").sides

    assert (found["a"].candidate["num_batch"], found["b"].candidate["num_batch"]) == (64, 256)
    assert found["b"].candidate["temperature"] == 0.1
    assert found["b"].candidate["num_ctx"] == 4096


def test_a_result_and_a_measurement_bring_their_candidate(tmp_path: Path) -> None:
    """What they leave open has its default."""
    folder = result(tmp_path / "run")
    best = json.loads((tmp_path / "run" / "result.json").read_text())["best"]
    measured = tmp_path / "measurement.json"
    measured.write_text(json.dumps({"schema": "tuner.measurement/1", **best}))
    found = read(folder, str(measured)).sides

    assert [found[side].candidate["num_batch"] for side in ("a", "b")] == [128, 128]
    assert found["a"].candidate["temperature"] == 0.8


def test_a_result_of_another_version_of_tune_is_told(tmp_path: Path) -> None:
    """Only its settings are taken over, and both sides are measured afresh."""
    environment = {"engine": "simulated", "model": "simulated", "tuner_version": "0.0.1"}
    found = read("baseline", result(tmp_path / "run", environment=environment))

    assert "was written by tune 0.0.1; only its settings" in found.notes[0]


@pytest.mark.parametrize(
    ("changes", "code", "said"),
    [
        ({"candidate": None}, 2, "names no candidate"),
        ({"candidate": {"num_glue": 3}}, 2, "no knob num_glue; the result is of another version"),
        ({"candidate": {"num_batch": "many"}}, 2, "num_batch: expected a number, found 'many'"),
        ({"workload_hash": "other"}, 2, "has other prompts than the result"),
        ({"environment": {"engine": "pebble"}}, 6, 'is of engine "pebble"'),
        ({"environment": {"model": "other"}}, 6, 'is of model "other"'),
    ],
)
def test_a_result_of_something_else_is_refused(
    tmp_path: Path, changes: dict[str, Any], code: int, said: str
) -> None:
    """In a sentence that names the side."""
    error = refused("baseline", result(tmp_path / "run", **changes))

    assert error.exit_code == code
    assert said in str(error)
    assert str(error).startswith("B (")


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "expected a measurement.json or result.json"),
        ({"run.json": "{}"}, "this run has not ended: `--out "),
        ({"result.json": '{"schema": "tuner.result/1", "be'}, "not a document of tune"),
        ({"result.json": '{"schema": "tuner.result/1"}'}, "no candidate that could"),
        ({"result.json": '{"schema": "tuner.result/9"}'}, "found tuner.result/9"),
        ({"result.json": '{"schema": "tuner.result/1", "best": null}'}, "no candidate that could"),
    ],
)
def test_folders_half_written_are_refused(tmp_path: Path, files: dict[str, str], said: str) -> None:
    """With the file and what is wrong with it."""
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    error = refused(str(tmp_path))

    assert isinstance(error, InputError)
    assert said in str(error)


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("nowhere", "no such file or folder; expected `baseline`"),
        ("tune.yaml", "a study is named by --study"),
        ("num_batch=", "num_batch: expected a number"),
        ("num_batch=1,,", "expected KNOB=VALUE, found ''"),
        ("num_bath=1", "did you mean num_batch?"),
    ],
)
def test_words_that_name_nothing_are_refused(word: str, said: str) -> None:
    """With what is expected."""
    error = refused(word)

    assert isinstance(error, InputError)
    assert said in str(error)


def test_an_endpoint_is_not_compared_with_settings(tmp_path: Path) -> None:
    """What differs may be the server."""
    asked = Asked(STUDY, "http://127.0.0.1:1", "baseline", tmp_path / "o")

    assert form_of("https://host/v1") == "endpoint"
    with pytest.raises(InputError, match="one is a live endpoint and the other is not"):
        virtually(validate(asked))


def test_a_modelfile_is_its_settings_and_its_prompt(tmp_path: Path) -> None:
    """What it does not set is the engine's default, not the study's baseline."""
    text = 'FROM simulated\nSYSTEM "Be brief."\nPARAMETER num_ctx 2048\nMESSAGE user hello\n' \
        "MESSAGE assistant hi\n"  # fmt: skip
    found = read(modelfile(tmp_path, text), "baseline").sides

    assert dict(found["a"].candidate) == {
        "num_batch": 128, "num_ctx": 2048, "num_predict": 128, "temperature": 0.8,
        "system": "brief", "shots": 1, "format": "none",
    }  # fmt: skip
    assert found["b"].candidate["num_batch"] == 64


def test_a_system_text_that_the_study_lacks_is_served_all_the_same(tmp_path: Path) -> None:
    """The workload of both sides has it."""
    path = modelfile(tmp_path, 'FROM simulated\nSYSTEM "Be kind."\n')
    found = read("baseline", path)
    name = str(found.sides["b"].candidate["system"])

    assert found.study.workload.systems[name] == "Be kind."
    assert found.sides["a"].study.workload.hash == STUDY.workload.hash
    assert found.sides["a"].candidate["system"] == "none"


def test_modelfiles_that_differ_beyond_settings_are_refused(tmp_path: Path) -> None:
    """What is not in force would be compared in name alone; what both have is told."""
    a = modelfile(tmp_path, "FROM simulated\nTEMPLATE one\nPARAMETER stop x\n", "A")
    same = modelfile(tmp_path, "FROM simulated\nTEMPLATE one\nPARAMETER stop x\n", "same")
    b = modelfile(tmp_path, "FROM simulated\nTEMPLATE two\n", "B")
    error = refused(a, b)

    assert isinstance(error, InputError)
    assert "differ in TEMPLATE, PARAMETER stop, which cannot be set here" in str(error)
    assert "not in force here: TEMPLATE, PARAMETER stop" in read(a, same).notes[0]


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("FROM other\n", 6, "FROM other, and the study's model is simulated"),
        ("FROM simulated\nPARAMETER num_ctx many\n", 2, "num_ctx"),
        ("FROM simulated\nPARAMETER num_batch 0.5\n", 2, "num_batch"),
        ("SYSTEM x\n", 2, "no FROM line"),
    ],
)
def test_bad_modelfiles_are_refused(tmp_path: Path, text: str, code: int, said: str) -> None:
    """Those of another model are not comparable."""
    error = refused(modelfile(tmp_path, text))

    assert error.exit_code == code
    assert said in str(error)
    assert isinstance(error, NotComparable if code == 6 else InputError)
