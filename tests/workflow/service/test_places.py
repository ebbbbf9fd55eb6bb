"""Where a result goes into service, and where a name serves, without asking anybody there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tuner.engines.deployment import Deployment, Version
from tuner.spec.address import url
from tuner.spec.deploy import Deploy
from tuner.spec.errors import InputError
from tuner.spec.requests.workload import Workload
from tuner.spec.study import Study
from tuner.workflow.service.journal import Promotion, locked
from tuner.workflow.service.places import Told, place_named, place_of

DEPLOY = Deploy(Path("/srv/a"), ("true",), url("http://127.0.0.1:9/health"), 60.0)
STUDY = Study("s", "command", "default", Workload((), {}, None, hash="w"), deploy=DEPLOY)
HOST = "http://127.0.0.1:9"


def result(folder: Path, engine: str | None, *files: str) -> Path:
    """Write as much of a result as tells where it can serve."""
    document: dict[str, Any] = {"schema": "tuner.result/1", "artifacts": dict.fromkeys(files, "x")}
    if engine is not None:
        document["environment"] = {"engine": engine}
    (folder / "result.json").write_text(json.dumps(document))
    return folder


def noted(deployment: Deployment, record: Mapping[str, Any] | None = None) -> None:
    """Write down that a name serves somewhere."""
    with locked(deployment) as journal:
        told = deployment.record() if record is None else record
        journal.begin("staged", Promotion(deployment.name, Version("1", "1"), None, "x",
                                          record=told))  # fmt: skip
        journal.write("settled")


@pytest.mark.parametrize(
    ("engine", "files", "study", "host", "noun"),
    [
        ("command", ("serve.sh",), STUDY, None, "version"),
        ("llamacpp", ("Modelfile",), STUDY, None, "version"),
        ("llamacpp", ("Modelfile",), replace(STUDY, deploy=None), None, "model"),
        ("llamacpp", ("Modelfile",), STUDY, HOST, "model"),
        ("ollama", ("Modelfile",), STUDY, None, "model"),
        (None, ("serve.sh",), STUDY, None, "version"),
        (None, ("Modelfile",), None, None, "model"),
    ],
)
def test_the_engine_of_a_result_says_where_it_can_serve(
    tmp_path: Path,
    engine: str | None,
    files: tuple[str, ...],
    study: Study | None,
    host: str | None,
    noun: str,
) -> None:
    """From a folder where its files start a server and somebody names one, else as a model."""
    assert place_of(result(tmp_path, engine, *files), "x", host, study).noun == noun


@pytest.mark.parametrize(
    ("engine", "host", "told", "said"),
    [
        ("vllm", None, Told(), "files serve from a folder, which the section `deploy`"),
        ("vllm", None, Told(folder=Path("f")), "missing: --reload COMMAND, --health URL"),
        ("vllm", None, Told(within_s=3.0), "missing: --folder DIR, --reload"),
        ("openai", None, Told(), "this run wrote no Modelfile"),
        ("openai", None, Told(Path("f"), ("true",), DEPLOY.health), "start no server"),
        ("vllm", HOST, Told(folder=Path("f")), "--attach names a server"),
    ],
)
def test_what_cannot_serve_is_told_with_what_is_missing(
    tmp_path: Path, engine: str, host: str | None, told: Told, said: str
) -> None:
    """Before anything is locked or asked."""
    with pytest.raises(InputError) as error:
        place_of(result(tmp_path, engine, "serve.sh"), "x", host, None, told)

    assert said in str(error.value)


def test_the_command_line_wins_over_the_study(tmp_path: Path) -> None:
    """Key by key."""
    told = Told(folder=Path("/srv/b"), within_s=7.0)
    record = place_of(result(tmp_path, "command", "serve.sh"), "x", None, STUDY, told).record()

    assert (record["folder"], record["within_s"], record["reload"]) == ("/srv/b", 7.0, ["true"])


def test_a_name_is_found_where_it_was_put(tmp_path: Path) -> None:
    """With all that its server needs; a server that is named wins, and so does a study."""
    there = replace(STUDY, deploy=replace(DEPLOY, folder=tmp_path / "a"))
    noted(place_named("x", None, there))
    other = replace(STUDY, deploy=replace(DEPLOY, folder=tmp_path / "b"))

    assert place_named("x", None, None).record() == place_named("x", None, there).record()
    assert place_named("x", HOST, None).noun == "model"
    assert place_named("y", None, None).noun == "model"
    assert place_named("x", None, other).record()["folder"] == str(tmp_path / "b")


def test_a_name_in_several_places_is_not_guessed(tmp_path: Path) -> None:
    """Each is named, with the option that says which."""
    for folder in ("a", "b"):
        deploy = replace(DEPLOY, folder=tmp_path / folder)
        noted(place_named("x", None, replace(STUDY, deploy=deploy)))
    with pytest.raises(InputError, match=r"serves from several folders .*/a, .*/b.* --study FILE"):
        place_named("x", None, None)


@pytest.mark.parametrize(
    "record",
    [{"kind": "command"}, {"folder": "/srv"}, {"kind": "command", **DEPLOY.document(), "reload": 7},
     {"kind": "command", **DEPLOY.document(), "health": "nowhere"}],
)  # fmt: skip
def test_what_was_not_written_down_whole_is_told(tmp_path: Path, record: Mapping[str, Any]) -> None:
    """A study says it as well."""
    noted(place_named("x", None, replace(STUDY, deploy=replace(DEPLOY, folder=tmp_path))), record)
    with pytest.raises(InputError, match=r"is not complete .* --study FILE"):
        place_named("x", None, None)
