"""What a server could not serve, told before its start: by arithmetic and by failed starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tuner.engines.memory import Room
from tuner.engines.vllm.memory.activation import GIB
from tuner.engines.vllm.memory.estimate import (
    MemoryEstimate,
    Settings,
    corrected,
    estimate,
    with_more_cache,
)
from tuner.engines.vllm.memory.model_folder import ModelFolder, read_model_folder
from tuner.engines.vllm.preflight.resolution import digest
from tuner.engines.vllm.starting.own_numbers import OwnNumbers
from tuner.spec.values import Setting

SHARE = 0.92
"""vLLM's gpu_memory_utilization where nobody sets it, on CPUs too."""

DOUBT = 0.10
"""The share by which a first estimate of the cache on a GPU may be too low: it was 7.8 % off for a
version that it was not made for (bench/README.md, "Memory of vLLM")."""

CLOSE = 0.05
"""An estimate that is farther from what a server's log says is told."""

_LENGTH = "max_model_len"


@dataclass(slots=True)
class Limits:
    """The limits of one model's servers, each over `tensor` times `pipeline` GPUs.

    `gpu_bytes` is the memory of one of them, None without one and where it cannot be seen: then
    only a cache of a given size is known. Of a model that is no folder here nothing is computed.
    """

    tensor: int = 1
    pipeline: int = 1
    gpu_bytes: int | None = None
    _models: dict[str, ModelFolder | None] = field(default_factory=dict)
    _longest: dict[str, int] = field(default_factory=dict)
    _heard: dict[str, tuple[MemoryEstimate, float]] = field(default_factory=dict)

    def refusal(self, model: str, settings: Mapping[str, Setting]) -> str | None:
        """Return why settings would not start, None where nothing is known against them."""
        asked = settings.get(_LENGTH)
        if not isinstance(asked, int):
            return None
        longest = self._longest.get(_all_else(model, settings)) or self._computed(model, settings)
        if longest is None or longest >= asked:
            return None
        sized = isinstance(settings.get("kv_cache_memory_bytes"), int)
        size = "kv_cache_memory_bytes" if sized else "gpu_memory_utilization"
        return (
            f"the KV cache would hold a request of {longest} tokens, and max_model_len is {asked}; "
            f"lower max_model_len to at most {longest}, or raise {size}"
        )

    def learn(self, model: str, settings: Mapping[str, Setting], longest: int | None) -> None:
        """Keep what the log of a start that failed said to be the longest request."""
        if longest is not None:
            self._longest[_all_else(model, settings)] = longest

    def shortage(self, model: str, settings: Mapping[str, Setting], room: Room) -> str | None:
        """Return why a server would not fit into a machine without GPUs, None where it would.

        Without a size for the KV cache vLLM wants a share of all memory to be free
        (v1/worker/cpu_worker.py).
        """
        cache, folder = settings.get("kv_cache_memory_bytes"), self._folder(model)
        if isinstance(cache, int):
            files = folder.path.glob("*.safetensors") if folder else ()
            needed = cache + sum(f.stat().st_size for f in files)
            what, step = "weights and KV cache need", "lower kv_cache_memory_bytes"
        else:
            share = settings.get("gpu_memory_utilization")
            share = share if isinstance(share, float) else SHARE
            needed = int(share * psutil.virtual_memory().total)
            what = f"without kv_cache_memory_bytes vLLM wants {share:.0%} of all memory,"
            step = "set kv_cache_memory_bytes"
        if needed <= room.bytes:
            return None
        return (
            f"{what} {needed / 2**20:.0f} MiB, available are {room.bytes / 2**20:.0f} MiB "
            f"{room.bound}; {step}"
        )

    def hear(self, model: str, settings: Mapping[str, Setting], told: OwnNumbers) -> str | None:
        """Keep what a good start's log says of its cache; return a sentence on a poor estimate."""
        found = self._estimated(model, settings)
        if found is None:
            return None
        before = self._corrected(model, settings, found).kv_tokens
        if told.kv_cache_gib is not None:
            self._heard[_weighed(model, settings)] = found, told.kv_cache_gib * GIB
        if before is None or not told.kv_cache_tokens:
            return None
        if abs(before / told.kv_cache_tokens - 1) <= CLOSE:
            return None
        return (
            f"KV cache: {before} tokens were estimated, vLLM's log says {told.kv_cache_tokens}; "
            "later estimates are corrected by it"
        )

    def _computed(self, model: str, settings: Mapping[str, Setting]) -> int | None:
        """Return the longest request that the cache holds, None where that is unknown."""
        found = self._estimated(model, settings)
        return None if found is None else self._corrected(model, settings, found).longest

    def _corrected(
        self, model: str, settings: Mapping[str, Setting], found: MemoryEstimate
    ) -> MemoryEstimate:
        """Return an estimate as earlier logs correct it; before the first one it is generous."""
        heard = self._heard.get(_weighed(model, settings))
        return with_more_cache(found, DOUBT) if heard is None else corrected(found, *heard)

    def _estimated(self, model: str, settings: Mapping[str, Setting]) -> MemoryEstimate | None:
        folder, length = self._folder(model), settings.get(_LENGTH)
        if folder is None or folder.facts is None or not isinstance(length, int):
            return None
        asked = self._asked(length, settings)
        return estimate(folder.facts, folder.weights, asked, self.gpu_bytes)

    def _asked(self, length: int, settings: Mapping[str, Setting]) -> Settings:
        size, share = settings.get("kv_cache_memory_bytes"), settings.get("gpu_memory_utilization")
        return Settings(
            max_model_len=length,
            max_num_batched_tokens=_number(settings, "max_num_batched_tokens", 2048),
            max_num_seqs=_number(settings, "max_num_seqs", 128),
            dtype=_word(settings, "dtype") or "auto",
            quantization=_word(settings, "quantization"),
            kv_cache_dtype=_word(settings, "kv_cache_dtype") or "auto",
            tensor_parallel=self.tensor,
            pipeline_parallel=self.pipeline,
            gpu_memory_utilization=share if isinstance(share, float) else SHARE,
            kv_cache_memory_bytes=size if isinstance(size, int) else None,
            block_size=_number(settings, "block_size", 16),
            counts_graphs=settings.get("enforce_eager") is not True,
        )

    def _folder(self, model: str) -> ModelFolder | None:
        if model not in self._models:
            path = Path(model)
            self._models[model] = read_model_folder(path) if path.is_dir() else None
        return self._models[model]


def _all_else(model: str, settings: Mapping[str, Setting]) -> str:
    return digest({"model": model, **{n: v for n, v in settings.items() if n != _LENGTH}})


def _weighed(model: str, settings: Mapping[str, Setting]) -> str:
    """Return what logs correct each other for: a model in its types."""
    return digest({"model": model, **{n: settings.get(n) for n in ("dtype", "quantization")}})


def _word(settings: Mapping[str, Setting], name: str) -> str | None:
    """Return a setting that is a word, None where it is left to vLLM."""
    value = settings.get(name)
    return value if isinstance(value, str) and value.lower() not in ("auto", "none") else None


def _number(settings: Mapping[str, Setting], name: str, otherwise: int) -> int:
    """Return a setting that is a number; what vLLM takes by itself where it is left open."""
    value = settings.get(name)
    return int(value) if isinstance(value, int | float) else otherwise
