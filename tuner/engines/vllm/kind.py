"""vLLM, as far as this version goes: it is found, and a study that asks for it is told."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from tuner.engines.first_study import Origin, Source
from tuner.engines.kind import EngineKind, Installed
from tuner.machine.finding import Finding
from tuner.spec.engine_kinds import available
from tuner.spec.engine_section import EngineSection
from tuner.spec.errors import InputError

INSTALL = "python -m pip install vllm"

if TYPE_CHECKING:
    from tuner.spec.study import Study


def _not_built() -> str:
    return f"engine 'vllm' is not built yet; {available()}"


class VllmSection(EngineSection):
    """The section `engine` of kind vllm."""

    kind: Literal["vllm"] = Field(description="The kind of engine.")

    @model_validator(mode="after")
    def _later(self) -> VllmSection:
        raise ValueError(_not_built())


class VllmKind(EngineKind):
    """A server for folders of safetensors, on GPUs."""

    name = "vllm"
    section = VllmSection
    built = False

    def takes(self, model: str) -> bool:
        """Tell whether a model is a folder."""
        return Path(model).is_dir()

    def starts(self, source: Source) -> bool:
        """Tell whether a source is a folder, or a Modelfile over one."""
        return source.path is not None and source.path.is_dir()

    def origin(self, source: Source, folder: Path) -> Origin:
        """Raise InputError: no study of it can be started yet."""
        if not self.starts(source):
            raise InputError(_not_built())
        if source.modelfile is None:
            raise InputError(
                f"{source.label} is a folder; name the Modelfile or the GGUF file in it"
            )
        raise InputError(
            f"{source.label}: FROM {source.modelfile.base} is a folder: engine {self.name}, which "
            "serves those, is not built yet; convert it with llama.cpp's convert_hf_to_gguf.py and "
            "name the GGUF file in FROM"
        )

    def ensure_usable(self, study: Study) -> None:
        """Raise ValueError: it is not built yet."""
        raise ValueError(_not_built())

    def installed(self, path: str | None = None) -> Installed:
        """Return whether the program is there, which this version cannot start."""
        there = shutil.which(self.name, path=path)
        found = f"found at {there}" if there else f"not found; install it with: {INSTALL}"
        text = f"{found}; this version of tune only measures its running server, with engine openai"
        return Installed(False, Finding(self.name, "note", text))


KIND = VllmKind()
