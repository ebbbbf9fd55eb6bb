"""The section `engine` of a study file: what all kinds share, and what one makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field

from tuner.spec.address import Url
from tuner.spec.file.parts import Part
from tuner.spec.model_name import is_gguf_path
from tuner.spec.values import Setting

DEFAULT_MODEL = "default"
"""The name that stands for an engine's packaged model."""


class EngineSection(Part):
    """The keys that every kind has. A kind of engine subclasses it with `kind` as its own name."""

    kind: str = Field(description="The kind of engine.")
    model: str = Field(DEFAULT_MODEL, description="The model, as the engine names it.")

    @property
    def models(self) -> tuple[str, ...]:
        """Return the model, or those to choose from where a kind takes a list."""
        return (self.model,)

    def source(self, model: str, folder: Path) -> str:
        """Return where a model is that a study in `folder` names: a GGUF file lies beside it."""
        return str(folder / model) if is_gguf_path(model) else model


@dataclass(frozen=True, slots=True)
class Place:
    """Where a section stands: in which `file` of which folder, beside which baseline."""

    folder: Path
    file: str
    baseline: Mapping[str, Setting]


@dataclass(frozen=True, slots=True)
class Declared:
    """What a section says beyond kind and model: where a server runs, and the kind's own settings.

    `settings` is a frozen dataclass of the kind, which alone reads it; None where it has none.
    """

    url: Url | None = None
    settings: Any = None
