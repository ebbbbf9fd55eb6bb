"""How many values a model's safetensors files hold, read from their headers alone."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuner.spec.errors import InputError

LFS_POINTER = b"version https://git-lfs.github.com/spec/"
"""How the small file begins that Git LFS leaves where a large one was not fetched."""

_FLOATS = ("F64", "F32", "F16", "BF16")
"""Types that vLLM loads in the type that it computes in; others stay as they are."""

_LONGEST_HEADER = 100_000_000
"""The limit of the format (safetensors/src/tensor.rs, MAX_HEADER_SIZE)."""

_EMBEDDING = ("embed_tokens.weight", "wte.weight", "word_embeddings.weight")
_HEAD = ("lm_head.weight", "embed_out.weight")


@dataclass(frozen=True, slots=True)
class Weights:
    """The values of a model: of its layers, of the embedding, of a head of its own.

    `packed_bytes` are those of tensors that are quantized, which keep their size.
    """

    body: float
    embedding: float = 0
    head: float = 0
    packed_bytes: float = 0


def read_weights(files: Iterable[Path]) -> Weights:
    """Return what the headers of safetensors files add up to.

    Raises InputError for a file that is a Git LFS pointer, broken, or shorter than its tensors.
    """
    body = embedding = head = packed = 0
    for file in files:
        for name, tensor in _header(file).items():
            values = math.prod(tensor["shape"])
            if tensor["dtype"] not in _FLOATS:
                begin, end = tensor["data_offsets"]
                packed += end - begin
            elif name.endswith(_EMBEDDING):
                embedding += values
            elif name.endswith(_HEAD):
                head += values
            else:
                body += values
    return Weights(body, embedding, head, packed)


def _header(file: Path) -> Mapping[str, Any]:
    """Return the tensors of a file by name: dtype, shape, data_offsets."""
    try:
        size = file.stat().st_size
        with file.open("rb") as opened:
            begin = opened.read(8)
            if LFS_POINTER.startswith(begin) and begin:
                raise InputError(
                    f"{file} is a Git LFS pointer, not the weights; fetch them with: git lfs pull"
                )
            (length,) = struct.unpack("<Q", begin)
            if not 2 <= length <= min(size - 8, _LONGEST_HEADER):
                raise ValueError("its header is longer than the file")
            tensors: dict[str, Any] = json.loads(opened.read(length))
    except (OSError, struct.error, ValueError, RecursionError) as broken:
        raise InputError(_broken(file, str(broken))) from None
    tensors = _checked(file, tensors)
    needed = 8 + length + max((t["data_offsets"][1] for t in tensors.values()), default=0)
    if size < needed:
        raise InputError(_broken(file, f"it has {size:,} bytes of {needed:,}"))
    return tensors


def _checked(file: Path, header: Any) -> dict[str, Any]:
    if not isinstance(header, dict):
        raise InputError(_broken(file, "its header is no JSON object"))
    tensors = {k: v for k, v in header.items() if k != "__metadata__"}
    for name, tensor in tensors.items():
        parts = tensor if isinstance(tensor, dict) else {}
        shape, offsets = parts.get("shape"), parts.get("data_offsets", [])
        whole = _naturals(shape) and _naturals(offsets) and len(offsets) == 2
        if not whole or not isinstance(parts.get("dtype"), str) or offsets[0] > offsets[1]:
            raise InputError(_broken(file, f"tensor {name!r} has no shape, type or place"))
    return tensors


def _naturals(values: Any) -> bool:
    return isinstance(values, list) and all(type(v) is int and v >= 0 for v in values)


def _broken(file: Path, why: str) -> str:
    return f"{file} cannot be read as safetensors ({why}); fetch it again"
