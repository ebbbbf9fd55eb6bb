"""GGUF files that hold metadata and no weights."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path

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


def write(path: Path, facts: Mapping[str, str | int] = LLAMA) -> Path:
    """Write a GGUF file with such metadata (texts and unsigned 32-bit numbers)."""
    head = b"GGUF" + struct.pack("<IQQ", 3, 0, len(facts))
    path.write_bytes(head + b"".join(_text(k) + _value(v) for k, v in facts.items()) + bytes(24))
    return path


def _text(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()


def _value(value: str | int) -> bytes:
    if isinstance(value, str):
        return struct.pack("<I", 8) + _text(value)
    return struct.pack("<II", 4, value)
