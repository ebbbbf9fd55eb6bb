"""The folder in which Ollama keeps its models: names, manifests, weights.

Layout and default names as in Ollama's types/model/name.go and server/manifest.go:
manifests/HOST/NAMESPACE/MODEL/TAG is a JSON list of layers, blobs/sha256-... holds each.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tuner.engines.models import described
from tuner.spec.address import variable
from tuner.spec.errors import InputError
from tuner.spec.values import Message, Model

DEFAULT_HOST, DEFAULT_NAMESPACE, DEFAULT_TAG = "registry.ollama.ai", "library", "latest"
_PART = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}"
_NAMESPACE = r"[A-Za-z0-9_][A-Za-z0-9_-]{0,79}"
_HOST = r"(?:.*://)?[A-Za-z0-9_][A-Za-z0-9_.:-]{0,349}"
_NAME = re.compile(f"(?:(?:{_HOST}/)?{_NAMESPACE}/)?{_PART}(?::{_PART})?", re.DOTALL)
"""isValidPart of types/model/name.go, the same in 0.11.4 and 0.33.3."""

_WEIGHTS = "application/vnd.ollama.image.model"


def folder() -> Path:
    """Return the folder of models: OLLAMA_MODELS, or ~/.ollama/models (envconfig/config.go)."""
    told = variable("OLLAMA_MODELS")
    return Path(told) if told else Path.home() / ".ollama" / "models"


def writable(models: Path, beside: Path) -> Path:
    """Return a folder with these models in which a server may create more.

    That is the folder itself, or where it belongs to another user (who runs the service) one
    below `beside`. Raises InputError where it may not be read either.
    """
    places = (p for p in (models / "blobs", models / "manifests") if os.path.exists(p))  # noqa: PTH110
    if all(os.access(p, os.W_OK, effective_ids=True) for p in places):
        return models
    try:
        return linked(models, beside.resolve() / "ollama-models")
    except OSError as error:
        raise InputError(f"{models} can be neither written nor read ({error})") from None


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

    An output limit below 1 is none, and a window beyond the training is lowered to it
    (llm/server.go, NewLlamaServer). Other settings need no word: what is not sent stays.
    """
    found = {n: v for n, v in parameters(name, models).items() if type(v) in (int, float)}
    if found.get("num_predict", 1) < 1:
        found["num_predict"] = -1
    if "num_ctx" in found:
        found["num_ctx"] = min(found["num_ctx"], model(name, models).train_ctx or found["num_ctx"])
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
    found = (models / "manifests").glob("*/*/*/*")
    return sorted(_shown(p.relative_to(models / "manifests").parts) for p in found if p.is_file())


def _manifest(name: str, models: Path) -> Mapping[str, Any]:
    path = (models / "manifests").joinpath(*parts(name))
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(_unknown(name, models)) from None
    except (OSError, ValueError) as error:
        raise InputError(f"model {name}: {path} cannot be read ({error})") from None
    return read if isinstance(read, dict) else {}


def _layers(manifest: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    layers = manifest.get("layers") or []
    return [la for la in layers if isinstance(la, dict) and {"mediaType", "digest"} <= la.keys()]


def ensure_name(name: str) -> None:
    """Raise InputError for what Ollama does not take as the name of a model."""
    if not _NAME.fullmatch(name):
        raise InputError(
            f"{name!r} is no name that Ollama takes: expected [NAMESPACE/]MODEL[:TAG], each of at "
            "most 80 letters, digits, _, - and . and none beginning with - or . (NAMESPACE has no "
            ".); say another --name"
        )


def parts(name: str) -> tuple[str, str, str, str]:
    """Return (host, namespace, model, tag) of a name that may leave out all but the model."""
    path, colon, tag = name.rpartition(":")
    if not colon or "/" in tag:  # the colon of a host's port is none of a tag
        path, tag = name, DEFAULT_TAG
    *before, base = path.split("/")
    namespace = before.pop() if before else DEFAULT_NAMESPACE
    return "/".join(before) or DEFAULT_HOST, namespace, base, tag


def shown(name: str) -> str:
    """Return a name as Ollama lists it: with its tag, without what is taken for granted."""
    return _shown(parts(name.rpartition("://")[2]))


def _shown(path: tuple[str, ...]) -> str:
    """Return a name without what Ollama takes for granted."""
    host, namespace, base, tag = path
    if host != DEFAULT_HOST:
        return f"{host}/{namespace}/{base}:{tag}"
    return f"{base}:{tag}" if namespace == DEFAULT_NAMESPACE else f"{namespace}/{base}:{tag}"


def _unknown(name: str, models: Path) -> str:
    known = names(models)
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(known) or 'none'}"
    return (
        f"Ollama has no model {name!r} in {models}; {hint} `ollama pull {name}` fetches one, "
        "OLLAMA_MODELS names another folder"
    )
