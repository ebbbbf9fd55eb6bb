"""What there is to know of the embedded engine before it starts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from tuner.engines.artifacts import ServedCandidate
from tuner.engines.base import Engine, Preview
from tuner.engines.first_study import Draft, Machine, Origin, Source
from tuner.engines.kind import Contents, EngineKind, InService, Installed
from tuner.machine.finding import Finding
from tuner.spec.address import Url
from tuner.spec.engine_section import DEFAULT_MODEL, EngineSection
from tuner.spec.errors import EngineMissing
from tuner.spec.knobs import Knob
from tuner.spec.model_name import is_gguf_path
from tuner.spec.values import Candidate, Model

if TYPE_CHECKING:
    from tuner.spec.study import Study


class LlamaCppSection(EngineSection):
    """The section `engine` of kind llamacpp."""

    kind: Literal["llamacpp"] = Field("llamacpp", description="The kind of engine.")
    model: str = Field(
        DEFAULT_MODEL, description="Path of a GGUF file, or `default` for the packaged model."
    )


class LlamaCppKind(EngineKind):
    """llama.cpp's server in a wheel, over a GGUF file."""

    name = "llamacpp"
    remark = "llama.cpp in a Python wheel; `pip install 'modelfile-tuner[embedded]'` brings it."
    section: ClassVar[type[EngineSection]] = LlamaCppSection
    prompt_where = "modelfile"
    in_folder = True

    @property
    def contents(self) -> Mapping[str, Contents]:  # type: ignore[override]
        """Return what its files hold: they are for Ollama."""
        from tuner.engines.ollama.emitted.artifacts import CONTENTS

        return CONTENTS

    def takes(self, model: str) -> bool:
        """Tell whether a model is a GGUF file, or the packaged one."""
        return model == DEFAULT_MODEL or is_gguf_path(model)

    def origin(self, source: Source, folder: Path) -> Origin:
        """Return what the head of a GGUF file tells."""
        from tuner.engines.llamacpp import first_study

        return first_study.origin(source, folder, self.name)

    def draft(self, origin: Origin, machine: Machine) -> Draft:
        """Return a draft in the words of Ollama."""
        from tuner.engines.llamacpp import first_study

        return first_study.draft(origin, machine)

    def create(self, study: Study, logs: Path) -> Engine:
        """Return the engine for a study's model: a GGUF file, or the packaged one."""
        from tuner.engines.llamacpp.engine import create

        return create(study, logs)

    def in_service(self, study: Study) -> InService:
        """Return a server of llama.cpp that is asked as ours is."""
        from tuner.engines.llamacpp.engine import LlamaCpp
        from tuner.engines.serving.as_it_serves import AsItServes

        assert study.url is not None
        own = LlamaCpp(Model(study.model, study.model), Path(), ())
        return InService(AsItServes(study.url, own))

    def serving_at(self, url: Url, study: Study) -> Engine:
        """Return an engine that sends no settings: the server has those of the Modelfile."""
        from tuner.engines.openai.engine import OpenAI
        from tuner.engines.openai.remote import Remote

        return OpenAI(url, DEFAULT_MODEL, Remote(knobs={}))

    def preview(self, study: Study) -> Preview:
        """Return what shows without hashing a model of many gigabytes."""
        from tuner.engines.llamacpp.engine import preview

        return preview(study)

    def knobs(self) -> Mapping[str, Knob]:
        """Return the knobs of the newest version."""
        from tuner.engines.llamacpp.engine import KNOBS

        return KNOBS

    def installed(self, path: str | None = None) -> Installed | None:
        """Return whether llama.cpp and the packaged model are there."""
        from tuner.engines import models
        from tuner.engines.llamacpp.engine import embedded_server, package_version

        try:
            embedded_server()
            model = models.default_path().stem
        except EngineMissing as error:
            one_line = " ".join(str(error).split())
            return Installed(False, Finding(self.name, "warning", one_line))
        found = f"xllamacpp {package_version()} with the packaged model {model} is installed"
        return Installed(True, Finding(self.name, "ok", found))

    def artifacts(self, served: ServedCandidate) -> dict[str, str]:
        """Return a Modelfile and what goes with it: the settings are Ollama's, in its words."""
        from tuner.engines.ollama.emitted.artifacts import artifacts

        engine = served.engine
        return artifacts(
            served.candidate, engine.knobs, engine.model, served.serving, served.evidence
        )

    def programs(self, files: Mapping[str, str], candidate: Candidate) -> dict[str, str]:
        """Return programs that ask Ollama for the model that the Modelfile makes."""
        from tuner.engines.ollama.emitted.programs import programs

        return programs(files, candidate)

    def ensure_writable(
        self, study: Study, knobs: Mapping[str, Knob], candidate: Candidate
    ) -> None:
        """Raise InputError for a value that no Modelfile can hold."""
        from tuner.engines.ollama.emitted.artifacts import ensure_parameters

        ensure_parameters(knobs, candidate)


KIND = LlamaCppKind()
