"""Results in service as models of a running Ollama, made from the Modelfile of a run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tuner.engines.base import Engine
from tuner.engines.deployment import ServerSetup, Target
from tuner.engines.ollama.attached import OllamaAttached
from tuner.engines.ollama.emitted.service import environment_of, service_file, steps
from tuner.engines.ollama.models import OllamaModels
from tuner.modelfile.create_request import create_request
from tuner.modelfile.diff import Change, changes, inheriting
from tuner.modelfile.document import Modelfile, load, parse
from tuner.spec.errors import EngineError, InputError
from tuner.spec.model_name import ensure_name, shown
from tuner.spec.values import Model

MODELFILE = "Modelfile"
_ENVIRONMENT = "ollama.env"


class OllamaDeployment(OllamaModels):
    """The `Deployment` over the models of one server."""

    def ensure_name(self, name: str) -> None:
        """Raise InputError for what Ollama does not take as the name of a model."""
        ensure_name(name)

    def listed(self, name: str) -> str:
        """Return a name as the server lists it.

        Ollama ignores the case of letters when it replaces a model, and keeps the name it had.
        """
        wanted = shown(name)
        return next((n for n in self.names() if n.casefold() == wanted.casefold()), wanted)

    def text(self, name: str) -> str:
        """Return the Modelfile of a model; raise InputError for an unknown name."""
        return self.modelfile(name)

    def changes(self, name: str, folder: Path) -> tuple[Change, ...] | None:
        """Return what changes in the Modelfile, inherited lines included; None for a new name.

        Raises InputError where the server lacks the model that FROM names.
        """
        modelfile = load(folder / MODELFILE)
        coming = self._whole(modelfile)
        if self.digest(name) is None:
            return None
        return tuple(changes(parse(self.modelfile(name), name), coming, ("", modelfile.base)))

    def _whole(self, modelfile: Modelfile) -> Modelfile:
        """Return a Modelfile with what it inherits from the model that FROM names."""
        base = modelfile.base
        if Path(base).is_file():
            return modelfile
        if self.digest(base) is None:
            told = f"FROM {base}: the server has no such model; `ollama pull {base}` first"
            raise InputError(told)
        return inheriting(modelfile, parse(self.modelfile(base), base))

    def setup(
        self, name: str, folder: Path, candidate: Mapping[str, Any], target: Target
    ) -> ServerSetup | None:
        """Return the file for the server's environment, which no Modelfile can hold."""
        written = folder / _ENVIRONMENT
        found = environment_of(written.read_text(encoding="utf-8")) if written.exists() else {}
        if not found:
            return None
        scheduling = str(candidate.get("cpu_scheduling", "other"))
        header = (f"The server's environment for {name}, written by modelfile-tuner.",)
        called, text = service_file(target, found, header, scheduling)
        file = folder / "service" / called
        return ServerSetup(found, file, text, tuple(steps(target, str(file), scheduling)))

    def stage(self, name: str, folder: Path) -> str:
        """Create the model of a Modelfile; return its digest."""
        self.create(name, self._body(load(folder / MODELFILE)))
        digest = self.digest(name)
        if digest is None:
            raise EngineError(f"Ollama created {name} and does not list it; look at its log")
        return digest

    def _body(self, modelfile: Modelfile) -> dict[str, Any]:
        """Return the fields of the model, after sending the file of weights that FROM may name."""
        body, weights = create_request(modelfile), Path(modelfile.base)
        if weights.is_file():
            del body["from"]
            body["files"] = {weights.name: self.upload(weights)}
        return body

    def engine(self, name: str) -> Engine:
        """Return an engine that sends no options, so that the model's own settings count."""
        return OllamaAttached(self.address, Model(name, name), as_it_is=True)
