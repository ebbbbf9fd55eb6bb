"""The engine `simulated`: a world that a test makes, which no study file can name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from tuner.engines.first_study import Origin, Source
from tuner.engines.llamacpp.kind import LlamaCppKind
from tuner.spec.engine_section import EngineSection
from tuner.spec.errors import InputError

if TYPE_CHECKING:
    from tuner.engines.kind import Installed
    from tuner.spec.study import Study

_ONLY_A_TEST = "engine 'simulated' is made by a test; use fake for trying out"


class SimulatedSection(EngineSection):
    """The section `engine` of kind simulated."""

    kind: Literal["simulated"] = Field(description="The kind of engine.")

    @model_validator(mode="after")
    def _refused(self) -> SimulatedSection:
        raise ValueError(_ONLY_A_TEST)


class SimulatedKind(LlamaCppKind):
    """A simulated engine, whose files are those of the embedded one."""

    name = "simulated"
    section = SimulatedSection
    offered = False

    def takes(self, model: str) -> bool:
        """Return False: it serves nothing of a study."""
        return False

    def origin(self, source: Source, folder: Path) -> Origin:
        """Raise InputError: only a test has a world."""
        raise InputError(_ONLY_A_TEST)

    def ensure_usable(self, study: Study) -> None:
        """Raise ValueError: only a test has a world."""
        raise ValueError(_ONLY_A_TEST)

    def installed(self, path: str | None = None) -> Installed | None:
        """Return None: there is nothing to install."""
        return None


KIND = SimulatedKind()
