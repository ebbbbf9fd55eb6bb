"""What a vLLM server of given settings needs in memory, and how many tokens it will cache.

On a GPU (vllm/v1/worker/gpu_worker.py, determine_available_memory): cache = memory x
gpu_memory_utilization - weights - peak of the profiling run - what is not PyTorch's - CUDA graphs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from tuner.engines.vllm.memory.activation import (
    GIB,
    MEASURED,
    Batch,
    Measured,
    activation_bytes,
    non_torch_gib,
)
from tuner.engines.vllm.memory.kv_cache import VALUE_BYTES, KvCache, layout
from tuner.engines.vllm.memory.model_config import ModelFacts
from tuner.engines.vllm.memory.weights import Weights

_Number = TypeVar("_Number", int, float)


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of a server that its memory depends on, as vLLM resolves them.

    `batches_in_flight` is 2 with asynchronous scheduling. `counts_graphs` says whether CUDA graphs
    are taken off the cache: since vLLM 0.21, unless eager. `v1_runner` is the older of the two
    runners of a model, which some features still need. `kv_cache_memory_bytes` stands for all.
    """

    max_model_len: int
    max_num_batched_tokens: int
    max_num_seqs: int
    dtype: str = "auto"
    quantization: str | None = None
    kv_cache_dtype: str = "auto"
    tensor_parallel: int = 1
    pipeline_parallel: int = 1
    gpu_memory_utilization: float = 0.92
    kv_cache_memory_bytes: int | None = None
    block_size: int = 16
    batches_in_flight: int = 2
    counts_graphs: bool = True
    v1_runner: bool = False


@dataclass(frozen=True, slots=True)
class Stage:
    """The bytes that one GPU of a pipeline stage needs; None is unknown."""

    weights: float | None
    activation: float | None
    non_torch: float | None
    graphs: float | None
    kv_cache: float | None
    cache: KvCache | None

    @property
    def total(self) -> float | None:
        """Return the sum of the parts; None where one of them is unknown."""
        parts = (self.weights, self.activation, self.non_torch, self.graphs, self.kv_cache)
        known = [part for part in parts if part is not None]
        return sum(known) if len(known) == len(parts) else None


@dataclass(frozen=True, slots=True)
class MemoryEstimate:
    """What each stage needs; what the cache holds is that of the stage with the fewest blocks.

    `sized` says that the size of the cache was asked for in bytes.
    """

    max_model_len: int
    sized: bool
    stages: tuple[Stage, ...]

    @property
    def kv_tokens(self) -> int | None:
        """Return how many tokens the cache holds."""
        return self._least(lambda cache, size: cache.tokens(size, self.max_model_len))

    @property
    def concurrency(self) -> float | None:
        """Return how many requests of the greatest length the cache holds."""
        return self._least(lambda cache, size: cache.concurrency(size, self.max_model_len))

    @property
    def longest(self) -> int | None:
        """Return the greatest length up to `max_model_len` of which the cache holds a request.

        vLLM does not start where it is less than `max_model_len`.
        """
        return self._least(lambda cache, size: cache.longest(size, self.max_model_len))

    def _least(self, of: Callable[[KvCache, float], _Number]) -> _Number | None:
        found = [of(s.cache, s.kv_cache) for s in self.stages if s.cache and s.kv_cache is not None]
        return min(found) if len(found) == len(self.stages) else None


def estimate(
    facts: ModelFacts,
    weights: Weights | None,
    settings: Settings,
    gpu_bytes: int | None,
    measured: Measured = MEASURED,
) -> MemoryEstimate:
    """Return what a server would need; without a GPU only the cache of a given size is known."""
    stages = [
        _stage(facts, weights, settings, gpu_bytes, measured, rank)
        for rank in range(settings.pipeline_parallel)
    ]
    sized = settings.kv_cache_memory_bytes is not None
    return MemoryEstimate(settings.max_model_len, sized, tuple(stages))


def corrected(new: MemoryEstimate, old: MemoryEstimate, logged_kv_bytes: float) -> MemoryEstimate:
    """Return an estimate moved by the error of an earlier one whose start was logged.

    Both must be of the same model, types and GPUs. `logged_kv_bytes` is what the first stage's
    log said was available for the cache with the settings of `old`. A size that was asked for in
    bytes says nothing of the rest, and is met.
    """
    estimated = old.stages[0].kv_cache
    if estimated is None or old.sized or new.sized:
        return new
    off = logged_kv_bytes - estimated
    return _moved(new, lambda size: size + off)


def with_more_cache(found: MemoryEstimate, share: float) -> MemoryEstimate:
    """Return an estimate with a share more of cache; a size that was asked for in bytes is met."""
    return found if found.sized else _moved(found, lambda size: size * (1 + share))


def _moved(found: MemoryEstimate, to: Callable[[float], float]) -> MemoryEstimate:
    stages = tuple(
        replace(s, kv_cache=None if s.kv_cache is None else to(s.kv_cache)) for s in found.stages
    )
    return replace(found, stages=stages)


def _stage(
    facts: ModelFacts,
    weights: Weights | None,
    settings: Settings,
    gpu_bytes: int | None,
    measured: Measured,
    rank: int,
) -> Stage:
    value_bytes = VALUE_BYTES.get(compute_dtype(facts, settings))
    layers = _stage_layers(facts.layers, settings.pipeline_parallel)[rank]
    held = None if weights is None else _weight_bytes(facts, weights, settings, rank, layers)
    peak = _peak(facts, settings, value_bytes, measured, rank) if gpu_bytes else None
    non_torch = non_torch_gib(measured, settings.tensor_parallel, settings.pipeline_parallel) * GIB
    graphs = measured.graphs * GIB if settings.counts_graphs else 0.0
    room = None
    if settings.kv_cache_memory_bytes is not None:
        room = float(settings.kv_cache_memory_bytes)
    elif gpu_bytes and held is not None and peak is not None:
        room = gpu_bytes * settings.gpu_memory_utilization - held - peak - non_torch - graphs
    return Stage(
        weights=held,
        activation=peak,
        non_torch=non_torch if gpu_bytes else None,
        graphs=graphs if gpu_bytes else None,
        kv_cache=room,
        cache=layout(
            facts,
            layers,
            _kv_value_bytes(facts, settings, value_bytes),
            settings.tensor_parallel,
            settings.block_size,
            settings.batches_in_flight * settings.max_num_batched_tokens,
        ),
    )


def compute_dtype(facts: ModelFacts, settings: Settings) -> str:
    """Return the type that values are computed in; vLLM halves a model of float32 on its own."""
    if settings.dtype != "auto":
        return settings.dtype
    stored = (facts.dtype or "").removeprefix("torch.")
    return "bfloat16" if stored == "float32" else stored


def _kv_value_bytes(facts: ModelFacts, settings: Settings, value_bytes: int | None) -> int | None:
    if settings.kv_cache_dtype != "auto":
        return VALUE_BYTES.get(settings.kv_cache_dtype)
    return None if facts.own_kv_type else value_bytes


def _stage_layers(layers: int, stages: int) -> list[int]:
    """Return how many layers each stage has (get_pp_indices in vllm/distributed/utils.py)."""
    shares = [layers // stages] * stages
    for n in range(layers % stages):
        shares[-(n + 2)] += 1
    return shares


def _weight_bytes(
    facts: ModelFacts, weights: Weights, settings: Settings, rank: int, layers: int
) -> float | None:
    """Return what the weights of a stage take on one GPU, with the table of positions."""
    value_bytes = VALUE_BYTES.get(compute_dtype(facts, settings))
    if value_bytes is None:
        return None
    body_bytes = value_bytes
    if settings.quantization not in (None, facts.quantization):
        if settings.quantization != "fp8" or facts.quantization is not None:
            return None
        body_bytes = 1  # quantized while loading, all but the embedding and the head
    values = 0.0
    if rank == 0:
        values += weights.embedding
    if rank == settings.pipeline_parallel - 1:
        tied = weights.embedding if rank else 0  # the last stage has a copy of its own
        values += weights.head or tied
    body = (weights.body * body_bytes + weights.packed_bytes) * layers / facts.layers
    split = (body + values * value_bytes) / settings.tensor_parallel
    return split + facts.rope_values * value_bytes


def _peak(
    facts: ModelFacts, settings: Settings, value_bytes: int | None, measured: Measured, rank: int
) -> float | None:
    if value_bytes is None or facts.attention is None:
        return None
    batch = Batch(
        settings.max_num_batched_tokens,
        settings.max_num_seqs,
        value_bytes,
        settings.tensor_parallel,
        settings.v1_runner,
    )
    last = rank == settings.pipeline_parallel - 1
    computed = activation_bytes(facts, batch, first=rank == 0, last=last)
    return computed + (measured.rest + facts.multimodal * measured.encoder) * GIB
