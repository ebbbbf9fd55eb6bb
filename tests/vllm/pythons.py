"""A Python that has the stand-in for vLLM, and a model's folder for it."""

from __future__ import annotations

import json
import struct
import sys
from pathlib import Path

PACKAGE = Path(__file__).parent / "package"


def python(folder: Path, **variables: str) -> str:
    """Write a program that is our Python with the stand-in, and return its path."""
    exports = "".join(f"export {name}='{value}'\n" for name, value in variables.items())
    return script(
        folder, f"{exports}export PYTHONPATH='{PACKAGE}'\nexec '{sys.executable}' -s \"$@\""
    )


def program(folder: Path) -> str:
    """Write the program `vllm` as pip does, over such a Python, and return its path."""
    path = folder / "vllm"
    there = python(folder)
    path.write_text(f"#!{there}\nfrom vllm.entrypoints.cli.main import serve\nserve()\n")
    path.chmod(0o755)
    return str(path)


def script(folder: Path, text: str, name: str = "python") -> str:
    """Write a program of a few lines and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def model(folder: Path) -> Path:
    """Make a small model's folder: config, tokenizer, weights."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "architectures": ["LlamaForCausalLM"], "dtype": "bfloat16", "hidden_size": 64,
        "intermediate_size": 128, "max_position_embeddings": 8192, "num_attention_heads": 4,
        "num_hidden_layers": 2, "num_key_value_heads": 2, "vocab_size": 256,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer.json").write_text("{}")
    tensor = {"dtype": "BF16", "shape": [4], "data_offsets": [0, 8]}
    header = json.dumps({"model.norm.weight": tensor}).encode()
    weights = struct.pack("<Q", len(header)) + header + bytes(8)
    (folder / "model.safetensors").write_bytes(weights)
    return folder
