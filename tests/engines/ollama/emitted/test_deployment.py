"""Models of an Ollama as a place where results go into service."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from tests.ollama import faked
from tests.ollama.installed import MODEL, complete, models, serving
from tuner.engines.deployment import Deployment, Release
from tuner.engines.ollama.emitted.deployment import OllamaDeployment
from tuner.engines.ollama.models import OllamaModels
from tuner.engines.registry import deploying
from tuner.spec.errors import EngineMissing
from tuner.testing.deployment_contract import DeploymentContract

HOST = "http://127.0.0.1:11434"


class TestOllamaDeployment(DeploymentContract):
    """The contract, on a pretended server."""

    @pytest.fixture
    def deployment(self) -> Iterator[Deployment]:
        """Give a name at a server."""
        with faked.running() as host:
            yield OllamaDeployment(host, "api")

    def again(self, deployment: Deployment, name: str | None = None) -> Deployment:
        """Return what the kind of engine makes of an address in other words."""
        kind = deploying({"Modelfile"})
        assert kind is not None
        address = deployment.option.split()[-1].removeprefix("http://") + "/"
        return kind.deployment(deployment.name if name is None else name, address)

    base: ClassVar[str] = faked.MODEL

    def release(self, folder: Path, text: str) -> Release:
        """Write a Modelfile with a system text, and an environment.

        A small model without an output limit may go on for as long as its context is.
        """
        limits = "PARAMETER num_ctx 512\nPARAMETER num_predict 16\n"
        (folder / "Modelfile").write_text(f"FROM {self.base}\nSYSTEM {text}\n{limits}")
        (folder / "ollama.env").write_text("OLLAMA_NUM_PARALLEL=2\n")
        return Release(folder, ("Modelfile", "ollama.env"))

    def broken(self, folder: Path) -> Release:
        """Write a Modelfile over a model that the server lacks."""
        (folder / "Modelfile").write_text("FROM nowhere\n")
        return Release(folder, ("Modelfile",))


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
            yield OllamaDeployment(f"http://{address}", "api")


def test_the_case_of_letters_is_that_of_the_model_that_is_there() -> None:
    """Ollama replaces a model whatever the case, so that what served must be kept by its name."""
    with faked.running() as host:
        OllamaModels(host).create("Task-API", {"from": faked.MODEL})

        assert OllamaDeployment(host, "task-api:LATEST").name == "Task-API:latest"
        assert OllamaDeployment(host, "other").name == "other:latest"


@pytest.mark.parametrize(
    ("address", "name"),
    [(HOST, "mine:latest"), ("http://localhost:11434", "Mine:Latest"),
     ("http://[::1]:11434", "mine:latest")],
)  # fmt: skip
def test_one_name_has_one_key_however_it_is_written(address: str, name: str) -> None:
    """Ollama heeds no case in names, and a machine has several names for itself."""
    assert OllamaDeployment(address, name).key == OllamaDeployment(HOST, "mine").key


def test_other_names_and_servers_have_other_keys() -> None:
    """Two applies of two names do not wait for each other."""
    places = ((HOST, "a"), (HOST, "b"), ("http://127.0.0.1:11435", "a"))

    assert len({OllamaDeployment(host, name).key for host, name in places}) == 3


def test_a_server_that_is_not_there_is_named_with_the_next_step() -> None:
    """Whatever is asked of it; the name is then as it was said."""
    nobody = OllamaDeployment("http://127.0.0.1:9", "X")
    assert nobody.name == "X:latest"
    for ask in (nobody.current, nobody.kept, nobody.check):
        with pytest.raises(EngineMissing, match="start it with `ollama serve`"):
            ask()
