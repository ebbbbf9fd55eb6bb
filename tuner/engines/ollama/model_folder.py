"""The folder in which Ollama keeps its models: names, manifests, weights.

Layout as in Ollama's server/manifest.go:
manifests/HOST/NAMESPACE/MODEL/TAG is a JSON list of layers, blobs/sha256-... holds each.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil

from tuner.engines.models import described
from tuner.modelfile.window import served_window
from tuner.spec.address import variable
from tuner.spec.errors import InputError
from tuner.spec.model_name import parts, shown
from tuner.spec.values import Message, Model

VARIABLE = "OLLAMA_MODELS"
_WEIGHTS = "application/vnd.ollama.image.model"
_OURS = "ollama-models-"


def folder() -> Path:
    """Return the folder of models: OLLAMA_MODELS, or ~/.ollama/models (envconfig/config.go)."""
    told = variable(VARIABLE)
    return Path(told) if told else Path.home() / ".ollama" / "models"


def writable(models: Path, beside: Path) -> Path:
    """Return a folder with these models in which a server may create more.

    That is the folder itself, or where it belongs to another user (who runs the service) one
    below `beside` that belongs to this process. Raises InputError where it may not be read either.
    """
    places = (p for p in (models / "blobs", models / "manifests") if os.path.exists(p))  # noqa: PTH110
    if all(os.access(p, os.W_OK, effective_ids=True) for p in places):
        return models
    try:
        _remove_left_behind(beside)
        return linked(models, beside.resolve() / f"{_OURS}{os.getpid()}")
    except OSError as error:
        raise InputError(f"{models} can be neither written nor read ({error})") from None


def _remove_left_behind(beside: Path) -> None:
    """Remove the folders of links of processes that have ended."""
    for folder in beside.glob(f"{_OURS}*"):
        process = folder.name.removeprefix(_OURS)
        if process.isdigit() and not psutil.pid_exists(int(process)):
            shutil.rmtree(folder, ignore_errors=True)


def linked(models: Path, ours: Path) -> Path:
    """Make a folder anew that holds a copy of each name and a link to each blob; return it."""
    shutil.rmtree(ours, ignore_errors=True)
    for blob in (models / "blobs").iterdir():
        link = ours / "blobs" / blob.name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(blob.resolve())
    for manifest in (m for m in (models / "manifests").rglob("*") if m.is_file()):
        copy = ours / manifest.relative_to(models)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(manifest.read_bytes())
    return ours


def model(name: str, models: Path) -> Model:
    """Return a model as its manifest and the head of its weights tell.

    Raises InputError where there is none of this name, with the nearest there is, or where it
    cannot be read.
    """
    manifest = _manifest(name, models)
    weights = next((layer for layer in _layers(manifest) if layer["mediaType"] == _WEIGHTS), None)
    if weights is None:
        raise InputError(f"model {name} has no weights of its own (a model in the cloud?)")
    found = described(_blob(models, str(weights["digest"])))
    # the name and the template are the model's in Ollama, not those of its file
    return replace(found, name=name, source=name, digest=str(weights["digest"]), chat_template=None)


def digest(name: str, models: Path) -> str:
    """Return the digest of a model as Ollama lists it: that of its manifest, so of all its layers.

    Raises InputError where there is no such model.
    """
    return hashlib.sha256(_manifest_text(name, models).encode()).hexdigest()


def layer(name: str, models: Path, kind: str) -> str | None:
    """Return the text of a layer of a model, None where it has none.

    `kind` ends the layer's media type: system, params (JSON), messages (JSON), template.
    """
    wanted = f"application/vnd.ollama.image.{kind}"
    found = (la for la in _layers(_manifest(name, models)) if la["mediaType"] == wanted)
    first = next(found, None)
    if first is None:
        return None
    return _blob(models, str(first["digest"])).read_text(encoding="utf-8")


def own_settings(name: str, models: Path) -> dict[str, int | float]:
    """Return the numbers that a model itself sets, by the names of PARAMETERs, as they serve.

    An output limit below 1 is none, and a window is the one that is served. Other settings need
    no word: what is not sent stays.
    """
    found = {n: v for n, v in parameters(name, models).items() if type(v) in (int, float)}
    if found.get("num_predict", 1) < 1:
        found["num_predict"] = -1
    if "num_ctx" in found:
        trained = model(name, models).train_ctx
        found["num_ctx"] = served_window(int(found["num_ctx"]), trained)
    return found


def parameters(name: str, models: Path) -> dict[str, Any]:
    """Return the PARAMETERs of a model: a text, a number or a switch each, of `stop` a list."""
    return dict(json.loads(layer(name, models, "params") or "{}"))


def turns(name: str, models: Path) -> list[Message]:
    """Return the MESSAGE lines of a model, which Ollama puts before each request's own."""
    said = json.loads(layer(name, models, "messages") or "[]")
    return [Message(turn["role"], turn["content"]) for turn in said]


def _blob(models: Path, digest: str) -> Path:
    return models / "blobs" / digest.replace(":", "-")


def names(models: Path) -> list[str]:
    """Return the names of all models that are there, as Ollama shows them."""
    found = (p.parts[-4:] for p in (models / "manifests").glob("*/*/*/*") if p.is_file())
    return sorted(shown(f"{host}/{space}/{base}:{tag}") for host, space, base, tag in found)


def _manifest(name: str, models: Path) -> Mapping[str, Any]:
    try:
        read = json.loads(_manifest_text(name, models))
    except ValueError as error:
        path = _manifest_path(name, models)
        raise InputError(f"model {name}: {path} cannot be read ({error})") from None
    return read if isinstance(read, dict) else {}


def _manifest_path(name: str, models: Path) -> Path:
    return (models / "manifests").joinpath(*parts(name))


def _manifest_text(name: str, models: Path) -> str:
    path = _manifest_path(name, models)
    try:
        return path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(_unknown(name, models)) from None
    except (OSError, ValueError) as error:
        raise InputError(f"model {name}: {path} cannot be read ({error})") from None


def _layers(manifest: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    layers = manifest.get("layers") or []
    return [la for la in layers if isinstance(la, dict) and {"mediaType", "digest"} <= la.keys()]


def _unknown(name: str, models: Path) -> str:
    known = names(models)
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(known) or 'none'}"
    return (
        f"Ollama has no model {name!r} in {models}; {hint} `ollama pull {name}` fetches one, "
        "OLLAMA_MODELS names another folder"
    )
