"""Read and check a model's folder before anything is started: config.json, tokenizer, weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuner.engines.vllm.memory.model_config import ModelFacts, read_architecture, read_facts
from tuner.engines.vllm.memory.weights import LFS_POINTER, Weights, read_weights
from tuner.spec.errors import InputError
from tuner.spec.file.reading import parsed_json, read_text

INDEX = "model.safetensors.index.json"

_TOKENIZERS = (
    "tokenizer.json", "tokenizer.model", "tekken.json", "vocab.json", "tiktoken.model",
)  # fmt: skip
"""One of these holds the vocabulary."""

_FETCH = "fetch the model anew, for a gated one after its terms were accepted and with HF_TOKEN set"


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A model's folder that vLLM can be given.

    `facts` is None for an architecture that is not known and where config.json leaves them to
    defaults, `weights` where they are not in safetensors files.
    """

    path: Path
    architecture: str
    facts: ModelFacts | None
    weights: Weights | None


def read_model_folder(folder: Path) -> ModelFolder:
    """Return what a model's folder holds.

    Raises InputError where it is no model that vLLM could load: empty, without weights, with a Git
    LFS pointer in place of a file, with a file that ends too soon, without a tokenizer.
    """
    names = _names(folder)
    config_file = folder / "config.json"
    if config_file.name not in names:
        raise InputError(_no_config(folder, names))
    content = _json(config_file)
    architecture = read_architecture(content, str(config_file))
    facts = read_facts(content, str(config_file))
    if not any(name in names for name in _TOKENIZERS):
        raise InputError(
            f"{folder} has no tokenizer; expected one of {', '.join(_TOKENIZERS)}; {_FETCH}"
        )
    for name in names.intersection(_TOKENIZERS):
        _ensure_fetched(folder / name)
    weights = _weights(folder, names)
    return ModelFolder(folder, architecture, facts, weights)


def _names(folder: Path) -> frozenset[str]:
    if folder.is_file():
        raise InputError(f"{folder} is a file; expected the folder of a model, with config.json")
    try:
        names = frozenset(p.name for p in folder.iterdir())
    except FileNotFoundError:
        raise InputError(
            f"{folder} does not exist; expected the folder of a model, with config.json"
        ) from None
    except OSError as unreadable:
        raise InputError(f"{folder} cannot be read ({unreadable})") from None
    if not names:
        raise InputError(f"{folder} is empty; expected config.json and weights; {_FETCH}")
    return names


def _no_config(folder: Path, names: frozenset[str]) -> str:
    if "adapter_config.json" in names:
        return f"{folder} is a LoRA adapter, not a model; name the folder of its base model"
    if any(name.endswith(".gguf") for name in names):
        return (
            f"{folder} holds GGUF files and no config.json; name one to engine llamacpp or ollama"
        )
    found = ", ".join(sorted(names)[:5])
    return f"{folder} has no config.json (it has {found}); {_FETCH}"


def _json(file: Path) -> Mapping[str, Any]:
    _ensure_fetched(file)
    content = parsed_json(read_text(file, "the model"), str(file))
    if not isinstance(content, dict):
        raise InputError(f"{file}: expected a JSON object, found {type(content).__name__}")
    return content


def _ensure_fetched(file: Path) -> None:
    """Raise InputError for the small file that Git LFS leaves where a large one is missing."""
    try:
        with file.open("rb") as opened:
            begin = opened.read(len(LFS_POINTER))
    except OSError as unreadable:
        raise InputError(f"{file} cannot be read ({unreadable}); {_FETCH}") from None
    if begin == LFS_POINTER:
        raise InputError(f"{file} is a Git LFS pointer, not the file; fetch it with: git lfs pull")


def _weights(folder: Path, names: frozenset[str]) -> Weights | None:
    """Return the values in the safetensors files; None for files of another kind."""
    files = sorted(name for name in names if name.endswith(".safetensors"))
    if INDEX in names:
        files = _indexed(folder / INDEX, names)
    if files:
        return read_weights(folder / name for name in files)
    others = sorted(name for name in names if name.endswith((".bin", ".pt")))
    if not others:
        raise InputError(f"{folder} has no weights; expected *.safetensors; {_FETCH}")
    for name in others:
        _ensure_fetched(folder / name)
    return None


def _indexed(index: Path, names: frozenset[str]) -> list[str]:
    """Return the files that an index names, once each."""
    placed = _json(index).get("weight_map")
    if not isinstance(placed, dict) or not all(isinstance(f, str) for f in placed.values()):
        raise InputError(f"{index}: weight_map: expected the file of each tensor; {_FETCH}")
    files = sorted(set(placed.values()))
    if missing := [name for name in files if name not in names]:
        raise InputError(
            f"{index.parent} lacks {len(missing)} of {len(files)} files of weights, as "
            f"{missing[0]}; {_FETCH}"
        )
    return files
