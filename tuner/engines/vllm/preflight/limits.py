"""What a server could not serve, told before its start: by arithmetic and by failed starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tuner.engines.memory import Room
from tuner.engines.vllm.memory.estimate import Settings, estimate
from tuner.engines.vllm.memory.model_folder import ModelFolder, read_model_folder
from tuner.engines.vllm.preflight.resolution import digest
from tuner.spec.values import Setting

SHARE = 0.92
"""vLLM's gpu_memory_utilization where nobody sets it, on CPUs too."""

_LENGTH = "max_model_len"


@dataclass(slots=True)
class Limits:
    """The limits of one model's servers; `parallel` is the size of a tensor parallel group.

    Of a model that is no folder here nothing is computed.
    """

    parallel: int = 1
    _models: dict[str, ModelFolder | None] = field(default_factory=dict)
    _longest: dict[str, int] = field(default_factory=dict)

    def refusal(self, model: str, settings: Mapping[str, Setting]) -> str | None:
        """Return why settings would not start, None where nothing is known against them."""
        asked = settings.get(_LENGTH)
        if not isinstance(asked, int):
            return None
        longest = self._longest.get(_all_else(model, settings)) or self._computed(model, settings)
        if longest is None or longest >= asked:
            return None
        return (
            f"the KV cache would hold a request of {longest} tokens, and max_model_len is {asked}; "
            f"lower max_model_len to at most {longest}, or raise kv_cache_memory_bytes"
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

    def _computed(self, model: str, settings: Mapping[str, Setting]) -> int | None:
        """Return the longest request that a cache of a given size holds, None where unknown."""
        folder, size = self._folder(model), settings.get("kv_cache_memory_bytes")
        if folder is None or folder.facts is None or not isinstance(size, int):
            return None
        asked = Settings(
            max_model_len=int(settings[_LENGTH]),
            max_num_batched_tokens=int(settings.get("max_num_batched_tokens", 2048)),
            max_num_seqs=int(settings.get("max_num_seqs", 128)),
            kv_cache_dtype=str(settings.get("kv_cache_dtype", "auto")),
            tensor_parallel=self.parallel,
            kv_cache_memory_bytes=size,
            block_size=int(settings.get("block_size", 16)),
        )
        return estimate(folder.facts, folder.weights, asked, None).longest

    def _folder(self, model: str) -> ModelFolder | None:
        if model not in self._models:
            path = Path(model)
            self._models[model] = read_model_folder(path) if path.is_dir() else None
        return self._models[model]


def _all_else(model: str, settings: Mapping[str, Setting]) -> str:
    return digest({"model": model, **{n: v for n, v in settings.items() if n != _LENGTH}})
