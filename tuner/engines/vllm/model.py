"""The model that vLLM serves, and what tells one folder from another."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from tuner.engines.vllm.memory.model_folder import read_model_folder
from tuner.spec.values import Model

_WHOLE = 2**24
"""Files up to this size count byte by byte; of larger ones, which hold weights, the two ends do."""

_END = 2**20


def served_model(name: str) -> Model:
    """Return a model by the path of its folder, or by a name of which nothing is known here.

    Raises InputError for a folder that vLLM could not load.
    """
    path = Path(name)
    if not path.is_dir():
        return Model(name, name)
    found = read_model_folder(path)
    return Model(
        name=name,
        source=str(path.absolute()),
        digest=digest(path),
        path=path,
        train_ctx=found.facts.max_len if found.facts else None,
        weights_bytes=sum(file.stat().st_size for file in path.glob("*.safetensors")) or None,
    )


def digest(folder: Path) -> str:
    """Return a digest of a folder's files: their names, sizes, and what they hold.

    Of files with weights only the ends are read, as whole ones would take minutes.
    """
    found = hashlib.sha256()
    for file in sorted(p for p in folder.iterdir() if p.is_file()):
        size = file.stat().st_size
        found.update(f"{file.name} {size}\n".encode())
        for part in _parts(file, size):
            found.update(part)
    return f"sha256:{found.hexdigest()}"


def _parts(file: Path, size: int) -> Iterator[bytes]:
    with file.open("rb") as opened:
        if size <= _WHOLE:
            yield opened.read()
            return
        yield opened.read(_END)
        opened.seek(size - _END)
        yield opened.read(_END)
