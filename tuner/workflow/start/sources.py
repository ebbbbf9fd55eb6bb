"""What a user may start a study from: a Modelfile, a model, a GGUF file, or a running server."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from tuner.engines import gguf
from tuner.engines.first_study import Origin, Source
from tuner.engines.kind import EngineKind
from tuner.engines.registry import kind_by_name, kinds
from tuner.modelfile import document
from tuner.spec.address import url
from tuner.spec.engine_kinds import available
from tuner.spec.engine_section import DEFAULT_MODEL
from tuner.spec.errors import InputError
from tuner.spec.model_name import is_gguf_path, is_path
from tuner.workflow.modelfiles.named import path_of, weights


@dataclass(frozen=True, slots=True)
class Asked:
    """What `tune init` was told: a `source`, or the `url` of a server and its `model`.

    `engine` is the kind that is to serve it, None for the first that does.
    """

    source: str | None = None
    engine: str | None = None
    url: str | None = None
    model: str | None = None


def read(asked: Asked, folder: Path) -> Origin:
    """Return what is told to start a study from, which will lie in `folder`.

    A running server is not asked for anything. Raises InputError, EngineMissing.
    """
    kind = kind_by_name(asked.engine) if asked.engine else None
    if (kind is not None and kind.one_start) or (asked.url, asked.model) != (None, None):
        return _running(asked, kind, folder)
    source = _named(asked.source)
    kind = kind or _serving(source)
    _ensure_no_adapter(source, kind)
    return kind.origin(source, folder)


def _running(asked: Asked, kind: EngineKind | None, folder: Path) -> Origin:
    """Return what a study of a running server is started from."""
    if asked.source is not None:
        raise InputError(
            f"{asked.source}: a study starts from SOURCE or from a server (--url), not both"
        )
    if kind is not None and not kind.drafts_running:
        raise InputError(
            f"engine {kind.name} starts a server of its own: name the model as SOURCE, without "
            "--url and --model"
        )
    if not asked.url or not asked.model:
        raise InputError("a running server needs both: --url URL and --model NAME")
    try:
        server = url(asked.url)
    except ValueError as wrong:
        raise InputError(f"--url: {wrong}") from None
    source = Source(str(server), asked.model, server=server)
    return (kind or _serving(source)).origin(source, folder)


def _serving(source: Source) -> EngineKind:
    """Return the first kind of engine that serves a source where nobody names one."""
    found = next((kind for kind in kinds() if kind.starts(source)), None)
    if found is not None:
        return found
    if source.path is None or source.modelfile is None:
        raise InputError(f"{source.label}: no engine that is installed serves it; {available()}")
    raise InputError(
        f"{source.label}: FROM {source.modelfile.base} is a file whose name does not end in "
        f".gguf: {_link(source.path)}"
    )


def _ensure_no_adapter(source: Source, kind: EngineKind) -> None:
    if source.modelfile and source.modelfile.adapters:
        raise InputError(
            f"{source.label}: ADAPTER {source.modelfile.adapters[0]}: engine {kind.name} does not "
            "take adapters yet; merge it into the GGUF file and take the line out"
        )


def _named(source: str | None) -> Source:
    if source is None or source == DEFAULT_MODEL:
        return Source(DEFAULT_MODEL, DEFAULT_MODEL)
    path = Path(source)
    if path.is_file() and not is_gguf_path(source):
        return _of_modelfile(path)
    if "modelfile" in path.name.lower() and not path.is_dir():
        raise InputError(
            f"{source}: no such file; expected a Modelfile, a GGUF file or a model of Ollama"
        )
    return Source(source, source, path if os.path.exists(path) else None)  # noqa: PTH110


def _of_modelfile(path: Path) -> Source:
    """Return what a Modelfile names; its FROM is relative to itself, as Ollama reads it."""
    if _starts_like_gguf(path):
        raise InputError(f"{path} is a GGUF file by another name: {_link(path)}")
    found = document.load(path)
    base = weights(path, (found.base, *found.layers)) or found.base
    there = path_of(path, base)
    if there is None and is_path(base):
        raise InputError(
            f"{path}: FROM {base}: no such file; the path is relative to the Modelfile"
        )
    return Source(str(path), base if there is None else str(there), there, found)


def _starts_like_gguf(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(4) == gguf.MAGIC
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): check the path") from error


def _link(path: Path) -> str:
    return f"the engine wants a name that ends in .gguf; link it: ln -s {path} model.gguf"
