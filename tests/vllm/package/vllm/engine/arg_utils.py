"""The resolver: what becomes of flags, as vLLM 0.32 does it on a CPU."""

import argparse
import hashlib
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from vllm.logger import set_up, warning_once

GRID = 8


class ValidationError(ValueError):
    """As pydantic says it."""

    def __init__(self, what: str, text: str) -> None:
        super().__init__(
            f"1 validation error for {what}\n  Value error, {text} [type=value_error, "
            "input_value=ArgsKwargs(()), input_type=ArgsKwargs]\n"
            "    For further information visit https://errors.pydantic.dev/2.14/v/value_error"
        )


@dataclass
class ModelConfig:
    """What is served."""

    model: str
    max_model_len: int
    dtype: str = "bfloat16"
    quantization: str | None = None
    enforce_eager: bool = False


@dataclass
class SchedulerConfig:
    """How requests share steps."""

    max_num_seqs: int
    max_num_batched_tokens: int
    max_num_active_seqs: int | None
    max_num_scheduled_tokens: int | None
    long_prefill_token_threshold: int
    prefill_schedule_interval: int
    watermark: float
    policy: str
    stream_interval: int
    async_scheduling: bool = False


@dataclass
class CacheConfig:
    """The KV cache."""

    block_size: int
    gpu_memory_utilization: float
    kv_cache_memory_bytes: int | None
    cache_dtype: str
    enable_prefix_caching: bool


@dataclass
class CompilationConfig:
    """What is compiled."""

    max_cudagraph_capture_size: int | None


@dataclass
class SpeculativeConfig:
    """Who drafts."""

    method: str
    num_speculative_tokens: int


@dataclass
class VllmConfig:
    """The whole of it."""

    model_config: ModelConfig
    scheduler_config: SchedulerConfig
    cache_config: CacheConfig
    compilation_config: CompilationConfig
    speculative_config: SpeculativeConfig | None = None
    performance_mode: str = field(default="balanced")

    def compute_hash(self) -> str:
        """Return what is compiled; much of the scheduler and the cache is no part of it."""
        scheduler, cache = self.scheduler_config, self.cache_config
        factors = (
            asdict(self.model_config), scheduler.max_num_seqs, scheduler.max_num_batched_tokens,
            cache.block_size, cache.cache_dtype, asdict(self.compilation_config),
            self.speculative_config is not None,
        )  # fmt: skip
        return hashlib.sha256(json.dumps(factors).encode()).hexdigest()


class AsyncEngineArgs:
    """Flags on their way to a configuration."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args

    @classmethod
    def from_cli_args(cls, args: argparse.Namespace) -> "AsyncEngineArgs":
        """Return the flags."""
        return cls(args)

    def create_engine_config(self, usage_context: Any) -> VllmConfig:
        """Return what becomes of the flags."""
        set_up()
        warning_once("Triton is not installed. triton-cpu is expected on x86 CPUs.")
        args, model = self.args, self._model()
        twice = 2 if args.performance_mode == "throughput" else 1
        config = VllmConfig(
            model,
            SchedulerConfig(
                args.max_num_seqs or 128 * twice,
                args.max_num_batched_tokens or 2048 * twice,
                args.max_num_active_seqs,
                args.max_num_scheduled_tokens,
                args.long_prefill_token_threshold or 0,
                args.prefill_schedule_interval or 1,
                args.watermark or 0.0,
                args.scheduling_policy or "fcfs",
                args.stream_interval or 1,
            ),
            CacheConfig(
                args.block_size or 128,
                args.gpu_memory_utilization or 0.92,
                args.kv_cache_memory_bytes,
                args.kv_cache_dtype or "auto",
                args.enable_prefix_caching is not False,
            ),
            CompilationConfig(self._capture_size()),
            self._speculation(),
            args.performance_mode or "balanced",
        )
        _check(config)
        return config

    def _model(self) -> ModelConfig:
        args = self.args
        file = Path(args.model) / "config.json"
        if not file.is_file():
            raise ValueError(f"Repo id must be in the form 'namespace/name': '{args.model}'")
        derived = json.loads(file.read_text())["max_position_embeddings"]
        if args.max_model_len is not None and args.max_model_len > derived:
            raise ValidationError(
                "ModelConfig",
                f"User-specified max_model_len ({args.max_model_len}) is greater than the derived "
                f"max_model_len (max_position_embeddings={derived})",
            )
        return ModelConfig(
            args.model,
            args.max_model_len or derived,
            args.dtype or "bfloat16",
            args.quantization,
            args.enforce_eager is True,
        )

    def _capture_size(self) -> int | None:
        size = self.args.max_cudagraph_capture_size
        if size is None or size % GRID == 0:
            return size
        cut = size - size % GRID
        warning_once(f"Truncating max_cudagraph_capture_size from {size} to {cut}")
        return cut

    def _speculation(self) -> SpeculativeConfig | None:
        told = self.args.speculative_config
        if told is None:
            return None
        said = json.loads(told)
        return SpeculativeConfig(said["method"], said["num_speculative_tokens"])


def _check(config: VllmConfig) -> None:
    scheduler = config.scheduler_config
    tokens, seqs = scheduler.max_num_batched_tokens, scheduler.max_num_seqs
    if tokens < seqs:
        raise ValidationError(
            "SchedulerConfig",
            f"max_num_batched_tokens ({tokens}) must be greater than or equal to max_num_seqs "
            f"({seqs}).",
        )
    if os.environ.get("STANDIN_FAULT") == "slow_resolver":
        import time

        time.sleep(3600)
