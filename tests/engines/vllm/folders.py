"""Folders of models as they are fetched, small and whole, to be broken by a test."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

CONFIG: Mapping[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 256,
    "max_position_embeddings": 512,
    "torch_dtype": "bfloat16",
}

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 988097824\n"


def safetensors(tensors: Mapping[str, tuple[str, tuple[int, ...], int]]) -> bytes:
    """Return a file of tensors, each given by type, shape and bytes."""
    header, at = dict[str, Any](), 0
    for name, (dtype, shape, size) in tensors.items():
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
    return struct.pack("<Q", len(text)) + text + bytes(at)


WEIGHTS = safetensors({
    "model.embed_tokens.weight": ("BF16", (256, 64), 32768),
    "lm_head.weight": ("BF16", (256, 64), 32768),
    "model.layers.0.mlp.up_proj.weight": ("BF16", (128, 64), 16384),
    "model.norm.weight": ("F32", (64,), 256),
    "model.layers.0.self_attn.q_proj.weight": ("I8", (64, 64), 4096),
})  # fmt: skip


def model_folder(folder: Path) -> Path:
    """Write a whole folder and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(CONFIG))
    (folder / "tokenizer.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(WEIGHTS)
    return folder
