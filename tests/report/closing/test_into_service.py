"""A result says with which command it goes into service, and what brings back what served."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.report.test_result import result as result
from tuner.cli.apply import command as apply
from tuner.report.closing.into_service import FOLDER_OPTIONS, into_service
from tuner.search.result import Result
from tuner.spec.deploy import deploy_of
from tuner.spec.shipped import studies

DEPLOY = deploy_of(
    {"folder": "/srv/x", "reload": ["true"], "health": "http://127.0.0.1:1", "within_s": 1.0}
)


def of(result: Result, *files: str, verdict: str = "PASS", **study: Any) -> Result:
    """Return a result with such files, of a study with such parts."""
    written = {name: result.out / name for name in files}
    changed = replace(result.study, **study)
    return replace(result, artifacts=written, verdict=verdict, study=changed)  # type: ignore[arg-type]


def command(result: Result) -> str:
    """Return the command that puts a result into service."""
    way = into_service(result)
    assert way is not None and way.there is not None
    return way.there


def test_the_command_is_one_that_tune_takes(result: Result) -> None:
    """Its words are options of `tune apply`; the way back names the same."""
    spaced = of(result, "Modelfile", file="my studies/tune it.yaml")
    words = shlex.split(command(spaced))
    given = apply.make_context("apply", [str(result.out), *words[3:]]).params

    assert words[:3] == ["tune", "apply", str(result.out)]
    assert given["name"] == result.study.name
    assert given["study_file"] == Path("my studies/tune it.yaml")
    assert not given["unproven"]
    way = into_service(spaced)
    assert way is not None and way.back == f"tune rollback {result.study.name}"


@pytest.mark.parametrize("verdict", ["UNDECIDED", "FAIL"])
def test_what_is_not_proven_says_so(result: Result, verdict: str) -> None:
    """`tune apply` refuses it without the option."""
    assert command(of(result, "Modelfile", verdict=verdict)).endswith(" --unproven")


@pytest.mark.parametrize("file", ["tune.yaml", "./tune.yaml", str(studies() / "task-api.yaml")])
def test_a_study_that_is_found_is_not_named(result: Result, file: str) -> None:
    """`tune apply` takes ./tune.yaml, else the packaged one, by itself."""
    assert "--study" not in command(of(result, "Modelfile", file=file))


def test_files_that_start_a_server_go_into_a_folder(result: Result) -> None:
    """The study's section `deploy` says which; without it the options do."""
    bare = of(result, "serve.sh", engine="command")
    way = into_service(bare)

    assert FOLDER_OPTIONS in command(bare)
    assert way is not None and "DIR is the folder" in str(way.remark)
    assert FOLDER_OPTIONS not in command(of(result, "serve.sh", engine="command", deploy=DEPLOY))


def test_what_only_clients_send_has_no_command(result: Result) -> None:
    """A server of somebody else is not changed; the files say what its clients should send."""
    way = into_service(of(result, "client.json", engine="openai"))

    assert way is not None
    assert (way.there, way.back) == (None, None)
    assert "clients send these settings" in str(way.remark)


def test_without_files_there_is_nothing_to_put(result: Result) -> None:
    """And where the baseline stays, nothing has to be done."""
    kept = into_service(replace(of(result, "Modelfile"), changed={}))

    assert into_service(of(result)) is None
    assert kept is not None and "The baseline stays" in str(kept.remark)
