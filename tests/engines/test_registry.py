"""Which kind of engine puts results into service."""

from __future__ import annotations

from pathlib import Path

import pytest

from tuner.engines.registry import deploying, deployment, folder_deployment, kinds
from tuner.spec.address import url
from tuner.spec.deploy import Deploy
from tuner.spec.errors import InputError


def test_a_run_s_files_find_the_kind_that_deploys_one() -> None:
    """Others are looked past, and without any there is none."""
    found = deploying(["client.json", "Modelfile"])

    assert found is not None
    assert found.deploys == "Modelfile"
    assert deploying(["client.json"]) is None
    assert deploying(()) is None


def test_a_file_that_no_kind_deploys_is_refused() -> None:
    """It is named."""
    with pytest.raises(InputError, match="puts a unit into service"):
        deployment("x", file="unit")


def test_a_kind_that_deploys_a_file_has_a_place_for_it() -> None:
    """It is told where, and says so before anything is asked there."""
    for kind in kinds():
        if kind.deploys is not None:
            found = deployment("x", "http://127.0.0.1:9", kind.deploys)
            assert "http://127.0.0.1:9" in found.option


def test_a_kind_whose_files_start_no_server_serves_from_no_folder() -> None:
    """The kinds that do are named."""
    deploy = Deploy(Path("srv"), ("true",), url("http://127.0.0.1:9/health"))
    able = [kind for kind in kinds() if kind.in_folder]

    assert {kind.name for kind in able} >= {"command", "llamacpp", "vllm"}
    for kind in kinds():
        if kind in able:
            assert folder_deployment("x", deploy, kind).record()["kind"] == kind.name
            continue
        with pytest.raises(InputError, match=r"start no server .* those of command.* vllm"):
            folder_deployment("x", deploy, kind)


def test_what_no_kind_knows_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a model nor slots are made up."""
    monkeypatch.delenv("OLLAMA_NUM_PARALLEL", raising=False)

    assert [kind.known_model("no-such-model:1b") for kind in kinds()] == [None] * len(kinds())
    assert [kind.slots_by_environment() for kind in kinds()] == [None] * len(kinds())
