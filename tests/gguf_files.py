"""GGUF files that hold metadata, and hardly any weights."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

LLAMA: Mapping[str, str | int] = {
    "general.architecture": "llama",
    "general.name": "Small",
    "llama.context_length": 8192,
    "llama.block_count": 30,
    "llama.embedding_length": 576,
    "llama.attention.head_count": 9,
    "llama.attention.head_count_kv": 3,
}
"""The metadata of SmolLM2-135M, as far as memory needs it: 23,040 bytes a token."""

_NONE: Mapping[str, int] = MappingProxyType({})


def write(
    path: Path, facts: Mapping[str, str | int] = LLAMA, tensors: Mapping[str, int] = _NONE
) -> Path:
    """Write a GGUF file with such metadata (texts and unsigned 32-bit numbers).

    It holds 24 bytes of weights; `tensors` says at which of these each of them begins.
    """
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(facts))
    pairs = b"".join(_text(k) + _value(v) for k, v in facts.items())
    infos = b"".join(_text(n) + struct.pack("<IQIQ", 1, 4, 0, at) for n, at in tensors.items())
    path.write_bytes(head + pairs + infos + bytes(24))
    return path


def write_split(folder: Path, count: int = 3) -> list[Path]:
    """Write a model as llama-gguf-split does it: all but the tensors stand in the first file."""
    files = [folder / f"m-{n:05d}-of-{count:05d}.gguf" for n in range(1, count + 1)]
    for number, file in enumerate(files):
        facts = {} if number else LLAMA
        write(file, {**facts, "split.no": number, "split.count": count})
    return files


def _text(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()


def _value(value: str | int) -> bytes:
    if isinstance(value, str):
        return struct.pack("<I", 8) + _text(value)
    return struct.pack("<II", 4, value)
