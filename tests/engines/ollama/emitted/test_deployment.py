"""Models of an Ollama as a place where results go into service."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from tests.ollama import faked
from tests.ollama.installed import MODEL, complete, models, serving
from tuner.engines.deployment import Deployment
from tuner.engines.ollama.emitted.deployment import OllamaDeployment
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

    base: ClassVar[str] = faked.MODEL

    def result(self, folder: Path, text: str) -> Path:
        """Write a Modelfile with a system text, and an environment.

        A small model without an output limit may go on for as long as its context is.
        """
        limits = "PARAMETER num_ctx 512\nPARAMETER num_predict 16\n"
        (folder / "Modelfile").write_text(f"FROM {self.base}\nSYSTEM {text}\n{limits}")
        (folder / "ollama.env").write_text("OLLAMA_NUM_PARALLEL=2\n")
        return folder

    def broken(self, folder: Path) -> Path:
        """Write a Modelfile over a model that the server lacks."""
        (folder / "Modelfile").write_text("FROM nowhere\n")
        return folder


@pytest.mark.ollama
@pytest.mark.embedded
class TestRealOllama(TestOllamaDeployment):
    """The contract, on servers of both generations."""

    base = MODEL

    @pytest.fixture(params=["0.11.4", "0.33.3"])
    def deployment(
        self, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
    ) -> Iterator[Deployment]:
        """Give the models of a server with a folder of its own."""
        folder = tmp_path_factory.mktemp("production")
        with serving(complete(request.param, folder), models(folder)) as address:
            yield OllamaDeployment(f"http://{address}")


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
