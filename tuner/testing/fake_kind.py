"""The engine `fake`: a pretend engine for trying the tool out, for tests, and for CI."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from tuner.engines.base import Engine, Preview
from tuner.engines.kind import Installed
from tuner.engines.llamacpp.kind import LlamaCppKind
from tuner.spec.engine_section import EngineSection

if TYPE_CHECKING:
    from tuner.spec.study import Study


class FakeSection(EngineSection):
    """The section `engine` of kind fake; the model may name FakeServer's options."""

    kind: Literal["fake"] = Field(description="The kind of engine.")


class FakeKind(LlamaCppKind):
    """The embedded engine's own code over a pretend llama.cpp."""

    name = "fake"
    section = FakeSection
    about = "a pretend engine for trying out"

    def takes(self, model: str) -> bool:
        """Return False: it serves only who asks for it."""
        return False

    def create(self, study: Study, logs: Path) -> Engine:
        """Return the engine for a study."""
        from tuner.testing.fake_engine import create

        return create(study, logs)

    def preview(self, study: Study) -> Preview:
        """Return the knobs of the embedded engine."""
        return Preview(self.create(study, Path()).knobs)

    def installed(self, path: str | None = None) -> Installed | None:
        """Return None: it is always there, and serves nothing real."""
        return None


KIND = FakeKind()
