"""Models in a folder of Ollama's, with metadata and no weights."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from tests.gguf_files import write

MEDIA = "application/vnd.ollama.image"
LIBRARY = ("registry.ollama.ai", "library")


def stored(
    models: Path,
    name: str,
    tag: str,
    layers: Mapping[str, str] = MappingProxyType({}),
    *,
    under: tuple[str, str] = LIBRARY,
    weights: str = f"{MEDIA}.model",
    digest: str = "sha256:ab",
) -> None:
    """Put a model with these layers (kind -> text) into a folder."""
    (models / "blobs").mkdir(parents=True, exist_ok=True)
    write(models / "blobs" / digest.replace(":", "-"))
    found = [{"mediaType": weights, "digest": digest, "size": 9}]
    for kind, text in layers.items():
        of_text = hashlib.sha256(text.encode()).hexdigest()
        (models / "blobs" / f"sha256-{of_text}").write_text(text)
        found.append({"mediaType": f"{MEDIA}.{kind}", "digest": f"sha256:{of_text}", "size": 1})
    manifest = models.joinpath("manifests", *under, name, tag)
    manifest.parent.mkdir(parents=True, exist_ok=True)
    manifest.write_text(json.dumps({"schemaVersion": 2, "layers": found}))
