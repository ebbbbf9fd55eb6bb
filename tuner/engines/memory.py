"""What a model needs in memory before it is loaded (weights and KV cache), and what there is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tuner.machine.kernel import HERE, Kernel, cgroup_folders, keyed, number
from tuner.spec.beside import Limits
from tuner.spec.errors import StartFailed
from tuner.spec.values import Candidate, Model

CONTEXT_STEP = 256
"""llama.cpp pads a slot's context up to this multiple (src/llama-context.cpp)."""

BYTES_PER_VALUE: Mapping[str, float] = {"f16": 2.0, "q8_0": 34 / 32, "q4_0": 18 / 32}
"""Bytes of a cached value: a block of 32 has a 16-bit scale (ggml-common.h)."""

_RECLAIMABLE = ("inactive_file", "active_file", "slab_reclaimable")
"""Lines of memory.stat for what the kernel gives up where memory is needed."""

_OTHERWISE = ("attention.sliding_window", "attention.kv_lora_rank", "ssm.state_size")
"""Architectures with one of these keep less per token than the formula says."""


def cached_per_token(facts: Mapping[str, Any]) -> int | None:
    """Return how many values one token keeps in the KV cache, from GGUF metadata.

    2 x layers x kv_heads x head_dim; None where the model caches in another way or its
    metadata does not say. Keys from ggml's docs/gguf.md.
    """

    def fact(name: str) -> Any:
        return facts.get(f"{facts.get('general.architecture')}.{name}")

    layers, width = fact("block_count"), fact("embedding_length")
    heads = _per_layer(fact("attention.head_count"), layers)
    kv_heads = _per_layer(fact("attention.head_count_kv"), layers) or heads
    if any(fact(name) for name in _OTHERWISE) or not isinstance(width, int):
        return None
    if not heads or max(heads) < 1:
        return None
    lengths = [fact(f"attention.{part}_length") or width // max(heads) for part in ("key", "value")]
    if not all(isinstance(length, int) for length in lengths):
        return None
    return sum(kv_heads) * sum(lengths) or None


def _per_layer(value: Any, layers: Any) -> list[int]:
    """Return a whole number for each layer from one for all or a list; [] for anything else."""
    if isinstance(value, int) and isinstance(layers, int) and 0 < layers < 10_000:
        return [value] * layers
    if isinstance(value, list) and all(isinstance(v, int) for v in value):
        return value
    return []


def f16_bytes_per_token(facts: Mapping[str, Any]) -> int | None:
    """Return the bytes that one token keeps in an f16 cache, from GGUF metadata, or None."""
    values = cached_per_token(facts)
    return None if values is None else int(values * BYTES_PER_VALUE["f16"])


def cache_bytes(model: Model, candidate: Candidate) -> int:
    """Return the size of the KV cache in bytes; 0 where it cannot be told."""
    slot = -(-int(candidate["num_ctx"]) // CONTEXT_STEP) * CONTEXT_STEP
    cells = slot * int(candidate["num_parallel"])
    per_value = BYTES_PER_VALUE.get(str(candidate["kv_cache_type"]), 0.0)
    return int(cells * (model.cached_per_token or 0) * per_value)


def needed_bytes(model: Model, candidate: Candidate) -> int:
    """Return the least memory in bytes that serving the candidate takes: weights and cache."""
    return (model.weights_bytes or 0) + cache_bytes(model, candidate)


@dataclass(frozen=True, slots=True)
class Room:
    """The memory in bytes that a new process may take, of `total` in all.

    `cgroup` is the folder of the one that sets the limit, None where the machine itself does, or
    where the study `asked` for it.
    """

    bytes: int
    total: int
    cgroup: Path | None = None
    asked: bool = False

    @property
    def bound(self) -> str:
        """Return in words what the limit is."""
        total = f"{self.total / 2**20:.0f} MiB"
        if self.asked:
            return f"within the {total} that the study allows the engine"
        if self.cgroup is None:
            return f"of the machine's {total}"
        return f"within the limit of {total} of the cgroup {self.cgroup}"


def room(kernel: Kernel = HERE) -> Room:
    """Return the least of what the machine has available and what each cgroup around us leaves."""
    memory = keyed(kernel.proc / "meminfo")
    host = psutil.virtual_memory()
    available = memory["MemAvailable"] * 1024 if "MemAvailable" in memory else host.available
    total = memory["MemTotal"] * 1024 if "MemTotal" in memory else host.total
    left = (_left(folder) for folder in cgroup_folders(kernel, "memory"))
    return min((Room(available, total), *filter(None, left)), key=lambda found: found.bytes)


def room_within(limits: Limits | None) -> Room:
    """Return the room for an engine that may take no more than a study allows it."""
    return within(room(), limits)


def within(found: Room, limits: Limits | None) -> Room:
    """Return what of a room an engine may take within limits."""
    size = limits.memory_bytes if limits else None
    if size is None or size >= found.bytes:
        return found
    return Room(size, size, asked=True)


def _left(folder: Path) -> Room | None:
    """Return what a cgroup leaves of its limit, None without one.

    From memory.high on the kernel slows processes down. Cached files count as taken (but for
    those in use) and are given up where the memory is needed, as in MemAvailable.
    """
    names = ("memory.max", "memory.high", "memory.limit_in_bytes")
    limit = min((n for name in names if (n := number(folder / name)) is not None), default=None)
    if limit is None:
        return None
    taken = [number(folder / name) for name in ("memory.current", "memory.usage_in_bytes")]
    cached = sum(keyed(folder / "memory.stat").get(name, 0) for name in _RECLAIMABLE)
    used = max(max((n for n in taken if n is not None), default=0) - cached, 0)
    return Room(max(limit - used, 0), limit, folder)


def ensure_fits(model: Model, candidate: Candidate, available: Room) -> None:
    """Raise StartFailed when a candidate needs more than there is room for."""
    needed = needed_bytes(model, candidate)
    if needed > available.bytes:
        raise StartFailed(
            "out_of_memory",
            f"not started: weights and KV cache need {needed / 2**20:.0f} MiB, available are "
            f"{available.bytes / 2**20:.0f} MiB {available.bound}; lower num_ctx or num_parallel",
        )
