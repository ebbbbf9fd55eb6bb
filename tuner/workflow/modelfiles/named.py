"""Find what FROM, ADAPTER and DRAFT name: a file or folder that is here, or a model.

Source: `parser/parser.go` of Ollama, expandPath and CreateRequest. A path is relative to its
Modelfile, and ~ is a home. A value at which nothing lies is the name of a model.
"""

from __future__ import annotations

import filecmp
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tuner.engines.models import holds_weights
from tuner.modelfile.document import Modelfile
from tuner.spec.model_name import is_name, is_path, whole

_WEIGHTS = (
    "model*.safetensors",
    "consolidated*.safetensors",
    "consolidated*.pth",
    "*.gguf",
    "*.bin",
)


def path_of(modelfile: Path, value: str) -> Path | None:
    """Return the file or folder that a value names, None where none is here or can be read."""
    path = _place(modelfile, value)
    return path if os.path.exists(path) else None  # noqa: PTH110 (Path's raises for closed folders)


def identity(modelfile: Path, value: str) -> str:
    """Return the same text for all ways to name one thing: a real path, or a model's whole name.

    A path at which nothing lies yet stays a path.
    """
    if path_of(modelfile, value) or is_path(value):
        return os.path.realpath(_place(modelfile, value))
    return whole(value) if is_name(value) else value


def same(one: str, other: str) -> bool:
    """Tell whether two identities mean the same; files with the same bytes do."""
    paths = Path(one), Path(other)
    if one == other or not all(path.is_absolute() for path in paths):
        return one == other
    try:
        return filecmp.cmp(*paths, shallow=False)
    except OSError:
        return False


def is_bare(modelfile: Path, value: str) -> bool:
    """Tell whether a value names a folder in which Ollama finds no weights (filesForModel)."""
    folder = path_of(modelfile, value)
    if folder is None or not folder.is_dir():
        return False
    return not any(next(folder.glob(pattern), None) for pattern in _WEIGHTS)


def weights(modelfile: Path, values: Sequence[str]) -> str | None:
    """Return the value of FROM that brings the weights, None without a FROM.

    It is the last one that names a model; Ollama ignores all others then. Else it is the first
    file that is neither a projector nor an adapter (`server/create.go`).
    """
    there = {value: path_of(modelfile, value) for value in values}
    names = [value for value, path in there.items() if path is None and not is_path(value)]
    bearing = [value for value, path in there.items() if path is None or holds_weights(path)]
    return next(iter([*reversed(names), *bearing, *values]), None)


def located(modelfile: Modelfile, file: Path) -> Modelfile:
    """Return a Modelfile with identities in place of the values that name something.

    Of several ADAPTERs Ollama takes the last one.
    """
    bases = [identity(file, base) for base in (modelfile.base, *modelfile.layers)]
    return replace(
        modelfile,
        base=bases[0],
        layers=tuple(bases[1:]),
        adapters=tuple(identity(file, adapter) for adapter in modelfile.adapters[-1:]),
        drafts=tuple(identity(file, draft) for draft in modelfile.drafts),
    )


def _place(modelfile: Path, value: str) -> Path:
    """Return where a value lies if it is a path."""
    try:
        return modelfile.parent / Path(value).expanduser()
    except RuntimeError:  # the home of nobody
        return modelfile.parent / value
