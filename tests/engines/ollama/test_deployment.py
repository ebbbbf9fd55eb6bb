"""Models of an Ollama as a place where results go into service."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ollama import faked
from tuner.engines.deployment import Deployment
from tuner.engines.ollama.deployment import OllamaDeployment
from tuner.engines.registry import deploying
from tuner.spec.errors import EngineMissing
from tuner.testing.deployment_contract import DeploymentContract


class TestOllamaDeployment(DeploymentContract):
    """The contract, on a pretended server."""

    @pytest.fixture
    def deployment(self) -> Iterator[Deployment]:
        """Give the models of a server."""
        with faked.running() as host:
            yield OllamaDeployment(host)

    def again(self, deployment: Deployment) -> Deployment:
        """Return what the kind of engine makes of an address in other words."""
        kind = deploying({"Modelfile"})
        assert kind is not None
        return kind.deployment(deployment.address.removeprefix("http://") + "/")

    def result(self, folder: Path, text: str) -> Path:
        """Write a Modelfile with a system text, and an environment."""
        (folder / "Modelfile").write_text(f"FROM {faked.MODEL}\nSYSTEM {text}\n")
        (folder / "ollama.env").write_text("OLLAMA_NUM_PARALLEL=2\n")
        return folder

    def broken(self, folder: Path) -> Path:
        """Write a Modelfile over a model that the server lacks."""
        (folder / "Modelfile").write_text("FROM nowhere\n")
        return folder


def test_the_case_of_letters_is_that_of_the_model_that_is_there() -> None:
    """Ollama replaces a model whatever the case, so that what served must be kept by its name."""
    with faked.running() as host:
        server = OllamaDeployment(host)
        server.create("Task-API", {"from": faked.MODEL})

        assert server.listed("task-api:LATEST") == "Task-API:latest"
        assert server.listed("other") == "other:latest"


def test_a_server_that_is_not_there_is_named_with_the_next_step() -> None:
    """Whatever is asked of it."""
    nobody = OllamaDeployment("http://127.0.0.1:9")
    for ask in (nobody.names, lambda: nobody.listed("x"), lambda: nobody.digest("x")):
        with pytest.raises(EngineMissing, match="start it with `ollama serve`"):
            ask()
