"""What there is to know of Ollama before a server starts or is asked."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from tuner.engines.artifacts import ServedCandidate
from tuner.engines.base import Engine, Preview
from tuner.engines.first_study import Draft, Machine, Origin, Source
from tuner.engines.kind import Contents, EngineKind, InService, Installed
from tuner.machine.finding import Finding
from tuner.spec.address import Url, ollama_url, variable
from tuner.spec.engine_section import DEFAULT_MODEL, Declared, EngineSection, Place
from tuner.spec.errors import InputError
from tuner.spec.knobs import Knob
from tuner.spec.known_path import KnownPath
from tuner.spec.model_name import is_gguf_path
from tuner.spec.values import Candidate, Model

INSTALL = "curl -fsSL https://ollama.com/install.sh | sh"

if TYPE_CHECKING:
    from tuner.engines.deployment import Deployment
    from tuner.spec.study import Study


def is_file(model: str) -> bool:
    """Tell whether a model is a file to who names it: a GGUF file, or the packaged one."""
    return model == DEFAULT_MODEL or is_gguf_path(model)


class OllamaSection(EngineSection):
    """The section `engine` of kind ollama; of several models the search chooses one."""

    kind: Literal["ollama"] = Field(description="The kind of engine.")
    model: str | Annotated[tuple[str, ...], Field(min_length=1)] = Field(  # type: ignore[assignment]
        DEFAULT_MODEL, description="The model's name, or a list of names to choose from."
    )
    url: str | None = Field(
        None, description="Where a running Ollama is, to use that one: http://HOST:PORT."
    )

    @property
    def models(self) -> tuple[str, ...]:
        """Return the models to choose from."""
        return (self.model,) if isinstance(self.model, str) else self.model


class OllamaKind(EngineKind):
    """Ollama: a server of our own, or a running one."""

    name = "ollama"
    remark = "Defaults of Ollama 0.33. Before it `repeat_penalty` is 1.1."
    section = OllamaSection
    attaches = True
    reloads = True
    packaged_study = "task-api-ollama.yaml"
    prompt_where = "modelfile"
    deploys = "Modelfile"

    @property
    def contents(self) -> Mapping[str, Contents]:  # type: ignore[override]
        """Return what its files hold."""
        from tuner.engines.ollama.emitted.artifacts import CONTENTS

        return CONTENTS

    def takes(self, model: str) -> bool:
        """Tell whether a model is a name, not a file and not a folder."""
        return not is_file(model) and not Path(model).is_dir()

    def declared(self, section: EngineSection, place: Place) -> Declared:
        """Return where a running server is, where the section names one; raise InputError."""
        where = getattr(section, "url", None)
        try:
            return Declared(ollama_url(where) if where is not None else None)
        except ValueError as wrong:
            raise InputError(f"{place.file}: engine.url: {wrong}") from None

    def paths(self) -> tuple[KnownPath, ...]:
        """Return the folder of Ollama's models."""
        from tuner.engines.ollama.model_folder import VARIABLE, folder

        holds = "names and weights; a run adds models of its own, and removes them"
        return (KnownPath("models of Ollama", folder(), holds, VARIABLE),)

    def running(self, told: str | None) -> Url:
        """Return where an Ollama runs: as told, as OLLAMA_HOST says, or where it is by default."""
        from tuner.engines.ollama.attached import url_of

        return url_of(told)

    def starts(self, source: Source) -> bool:
        """Tell whether a source is the name of a model."""
        return source.server is None and source.path is None and not is_file(source.model)

    def origin(self, source: Source, folder: Path) -> Origin:
        """Return what Ollama's folder tells of a model."""
        from tuner.engines.ollama.first_study import draft

        return draft.origin(source)

    def draft(self, origin: Origin, machine: Machine) -> Draft:
        """Return a draft around the model's own settings."""
        from tuner.engines.ollama.first_study import draft

        return draft.draft(origin, machine)

    def known_model(self, name: str) -> Model | None:
        """Return a model of Ollama's folder, None where it is not there or cannot be read."""
        from tuner.engines.ollama.model_folder import folder, model

        try:
            return model(name, folder())
        except InputError:
            return None

    def slots_by_environment(self) -> int | None:
        """Return OLLAMA_NUM_PARALLEL, None where it is no positive number."""
        told = variable("OLLAMA_NUM_PARALLEL")
        return (int(told) or None) if told.isdecimal() else None

    def uses_gpu(self, study: Study) -> bool:
        """Tell whether there is a GPU, and the study does not keep the model off it."""
        from tuner.machine.gpus import has_gpu

        return has_gpu() and study.baseline.get("num_gpu") != 0

    def create(self, study: Study, logs: Path) -> Engine:
        """Return the engine for a study's model, with a server of our own or a running one."""
        from tuner.engines.ollama.engine import create

        return create(study, logs)

    def in_service(self, study: Study) -> InService:
        """Return a model of a running Ollama as it is; raise InputError for a file as its name."""
        from tuner.engines.ollama.attached import OllamaAttached

        if is_file(study.model):
            raise InputError(
                f"an Ollama serves models by their names, found {study.model!r}; say --model NAME"
            )
        model = Model(study.model, study.model)
        return InService(OllamaAttached(str(study.url), model, as_it_is=True), holds_prompt=True)

    def preview(self, study: Study) -> Preview:
        """Return what shows without starting a server; raise InputError for an unknown model."""
        from tuner.engines.ollama.engine import preview

        return preview(study)

    def knobs(self) -> Mapping[str, Knob]:
        """Return the knobs of the newest version."""
        from tuner.engines.ollama.knobs import KNOBS, RUNNER_KNOBS

        return {**KNOBS, **RUNNER_KNOBS}

    def installed(self, path: str | None = None) -> Installed:
        """Return whether the program is there."""
        there = shutil.which(self.name, path=path)
        text = f"found at {there}" if there else f"not found; install it with: {INSTALL}"
        return Installed(bool(there), Finding(self.name, "ok" if there else "note", text))

    def fetch(self, study: Study, note: Callable[[str], None]) -> None:
        """Fetch what is not there through the server that runs; raise EngineMissing without one."""
        from tuner.engines.ollama.pull import pull

        pull(study, note)

    def artifacts(self, served: ServedCandidate) -> dict[str, str]:
        """Return a Modelfile, the server's environment, and what only a client can send."""
        from tuner.engines.ollama.emitted.artifacts import artifacts

        engine = served.engine
        return artifacts(
            served.candidate,
            engine.knobs,
            engine.model,
            served.serving,
            served.evidence,
            measured_here=True,
        )

    def programs(self, files: Mapping[str, str], candidate: Candidate) -> dict[str, str]:
        """Return programs that ask with ollama-python and with openai."""
        from tuner.engines.ollama.emitted.programs import programs

        return programs(files, candidate)

    def ensure_writable(
        self, study: Study, knobs: Mapping[str, Knob], candidate: Candidate
    ) -> None:
        """Raise InputError for a value that no Modelfile can hold."""
        from tuner.engines.ollama.emitted.artifacts import ensure_parameters

        ensure_parameters(knobs, candidate)

    def deployment(self, name: str, host: str | None) -> Deployment:
        """Return a name of a model of a running Ollama."""
        from tuner.engines.ollama.attached import address_of
        from tuner.engines.ollama.emitted.deployment import OllamaDeployment

        return OllamaDeployment(address_of(host), name)


KIND = OllamaKind()
