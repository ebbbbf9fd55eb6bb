"""Compare two Modelfiles, either of which may be a model that a server has."""

from __future__ import annotations

from pathlib import Path

from tuner.render.diff import Change, changes
from tuner.render.modelfile import Modelfile, load, parse


def diff(a: str, b: str, host: str | None = None) -> list[Change]:
    """Return what changes from A to B, each a file or else a model's name.

    Raises InputError for what is neither, and EngineMissing where a name is given and no
    Ollama answers.
    """
    return changes(_modelfile(a, host), _modelfile(b, host))


def _modelfile(name: str, host: str | None) -> Modelfile:
    if Path(name).exists() or name.startswith((".", "/", "~")):
        return load(Path(name))
    from tuner.engines.ollama_models import OllamaModels

    return parse(OllamaModels(host).modelfile(name), name)
