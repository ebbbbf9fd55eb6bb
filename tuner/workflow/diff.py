"""Compare two Modelfiles, either of which may be a model that a server has."""

from __future__ import annotations

from pathlib import Path

from tuner.render.diff import Change, changes, inheriting
from tuner.render.modelfile import Modelfile, load, parse
from tuner.workflow.apply import Models


def diff(a: str, b: str, host: str | None = None) -> list[Change]:
    """Return what changes from A to B, each a file or else a model's name.

    Beside a model, a file counts with what it inherits, as the server would create it; two
    files are compared as they are written, and no server is asked. Raises InputError for what
    is neither, and EngineMissing where a name is given and no Ollama answers.
    """
    if _is_file(a) and _is_file(b):
        return changes(load(Path(a)), load(Path(b)))
    from tuner.engines.ollama_attached import address_of
    from tuner.engines.ollama_models import OllamaModels

    models = OllamaModels(address_of(host))
    (one, its_base), (other, its) = (_served(name, models) for name in (a, b))
    return changes(one, other, (its_base, its))


def _is_file(name: str) -> bool:
    return Path(name).exists() or name.startswith((".", "/", "~"))


def _served(name: str, models: Models) -> tuple[Modelfile, str]:
    """Return what a server has or would create, and what its weights are called."""
    if not _is_file(name):
        return parse(models.modelfile(name), name), ""
    written = load(Path(name))
    if models.digest(written.base) is None:
        return written, ""
    return inheriting(written, parse(models.modelfile(written.base), name)), written.base
