"""What a model needs in memory, estimated before it is loaded: weights and KV cache."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuner.spec.errors import StartFailed
from tuner.spec.values import Candidate, Model

CONTEXT_STEP = 256
"""llama.cpp pads a slot's context up to this multiple (src/llama-context.cpp)."""

BYTES_PER_VALUE: Mapping[str, float] = {"f16": 2.0, "q8_0": 34 / 32, "q4_0": 18 / 32}
"""Bytes of a cached value: a block of 32 has a 16-bit scale (ggml-common.h)."""

_OTHERWISE = ("attention.sliding_window", "attention.kv_lora_rank", "ssm.state_size")
"""Architectures with one of these keep less per token than the formula says."""


def cached_per_token(facts: Mapping[str, Any]) -> int | None:
    """Return how many values one token keeps in the KV cache, from GGUF metadata.

    2 x layers x kv_heads x head_dim; None where the model caches in another way or its
    metadata does not say. Keys from ggml's docs/gguf.md.
    """

    def fact(name: str) -> Any:
        return facts.get(f"{facts.get('general.architecture')}.{name}")

    layers, heads, width = (
        fact(n) for n in ("block_count", "attention.head_count", "embedding_length")
    )
    if any(fact(name) for name in _OTHERWISE) or not isinstance(layers, int):
        return None
    if not isinstance(heads, int) or not isinstance(width, int) or heads == 0:
        return None
    given = fact("attention.head_count_kv")
    kv_heads = sum(given) if isinstance(given, list) else layers * (given or heads)
    key, value = fact("attention.key_length"), fact("attention.value_length")
    return int(kv_heads) * int((key or width // heads) + (value or width // heads))


def cache_bytes(model: Model, candidate: Candidate) -> int:
    """Return the size of the KV cache in bytes; 0 where it cannot be told."""
    slot = -(-int(candidate["num_ctx"]) // CONTEXT_STEP) * CONTEXT_STEP
    cells = slot * int(candidate["num_parallel"])
    per_value = BYTES_PER_VALUE.get(str(candidate["kv_cache_type"]), 0.0)
    return int(cells * (model.cached_per_token or 0) * per_value)


def needed_bytes(model: Model, candidate: Candidate) -> int:
    """Return the least memory in bytes that serving the candidate takes: weights and cache."""
    return (model.weights_bytes or 0) + cache_bytes(model, candidate)


def ensure_fits(model: Model, candidate: Candidate, available: int) -> None:
    """Raise StartFailed when a candidate needs more than the available memory in bytes."""
    needed = needed_bytes(model, candidate)
    if needed > available:
        raise StartFailed(
            "out_of_memory",
            f"not started: weights and KV cache need {needed / 2**20:.0f} MiB, available are "
            f"{available / 2**20:.0f} MiB; lower num_ctx or num_parallel",
        )
