"""The settings of vLLM that a search can choose, in vLLM's own words.

Sources: config/{scheduler,cache,model,compilation,speculative}.py, engine/arg_utils.py and envs.py
of vLLM 0.32 and 0.33.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from tuner.engines.openai.remote import USUAL_KNOBS
from tuner.engines.vllm.installed.flags.flag import Flags
from tuner.spec.knobs import Kind, Knob, Role, by_name

NO_SPECULATION = "none"
CACHE = "kv_cache_memory_bytes"


def _flag(
    name: str,
    about: str,
    kind: Kind,
    role: Role | None = None,
    least: float | None = None,
    choices: tuple[str, ...] = (),
) -> Knob:
    """Return the knob of a flag; left to vLLM where nobody sets it."""
    key = "--" + name.replace("_", "-")
    return Knob(
        name, "restart", "auto", "command", role, kind, least, choices, key=key, about=about
    )


def _variable(name: str, variable: str, about: str, kind: Kind = "word") -> Knob:
    return Knob(name, "restart", "auto", "environment", kind=kind, key=variable, about=about)


_SERVER = by_name(
    _flag("max_model_len", "The context: most tokens of prompt and answer together.",
          "whole number", "context", 1),
    _flag("max_num_seqs", "The most requests that compute at once.", "whole number", "slots", 1),
    _flag("max_num_active_seqs", "A tighter limit on them that needs no new compilation.",
          "whole number", least=1),
    _flag("max_num_batched_tokens", "The most tokens that one step computes.",
          "whole number", "batch", 1),
    _flag("max_num_scheduled_tokens", "A tighter limit on them that needs no new compilation.",
          "whole number", least=1),
    _flag("long_prefill_token_threshold", "Prompts longer than this are computed in parts; 0: off.",
          "whole number", least=0),
    _flag("prefill_schedule_interval", "Steps from one new prompt to the next; more spares decodes "
          "that run.", "whole number", least=1),
    _flag("watermark", "Share of the KV cache that is kept free against preemptions.",
          "number", least=0),
    _flag("kv_cache_memory_bytes", "Memory of the KV cache in bytes.", "whole number", least=1),
    _flag("gpu_memory_utilization", "Share of the memory that the server may take.",
          "number", least=0),
    _flag("kv_cache_dtype", "The type of the KV cache.", "word", "cache"),
    _flag("enable_prefix_caching", "Whether prompts that begin alike share what is computed.",
          "switch"),
    _flag("block_size", "Tokens in a block of the KV cache.", "whole number", least=1),
    _flag("max_cudagraph_capture_size", "The largest batch that replays a recorded graph.",
          "whole number", least=0),
    _flag("scheduling_policy", "Who comes next: first come, or by the field `priority`.", "word",
          choices=("fcfs", "priority")),
    _flag("async_scheduling", "Whether the next step is planned while one computes.", "switch"),
    _flag("stream_interval", "Tokens from one chunk of a stream to the next.",
          "whole number", least=1),
    _flag("performance_mode", "A preset of vLLM for what is not set.", "word",
          choices=("balanced", "interactivity", "throughput")),
    _flag("enforce_eager", "Whether nothing is compiled: fast starts, slow answers.", "switch"),
    _flag("quantization", "How weights are quantised.", "word"),
    _flag("dtype", "The type of weights and activations.", "word"),
    Knob("speculation", "restart", NO_SPECULATION, "command", unset=NO_SPECULATION,
         key="--speculative-config",
         about="Who drafts tokens: none, ngram, suffix, or the folder of a draft model."),
    Knob("draft_tokens", "restart", 3, "command", least=1, of="speculation",
         key="--speculative-config",
         about="How many tokens are drafted at a time."),
    _variable("cpu_omp_threads_bind", "VLLM_CPU_OMP_THREADS_BIND",
              "The cores that compute, on a CPU: auto, nobind, or a list such as 0-3."),
    _variable("cpu_reserved_cores", "VLLM_CPU_NUM_OF_RESERVED_CPU",
              "Cores left for scheduling, on a CPU.", "whole number"),
    _variable("cpu_attn_split_kv", "VLLM_CPU_ATTN_SPLIT_KV",
              "Whether attention splits the KV cache, on a CPU: 0 or 1.", "whole number"),
    _variable("cpu_int4_w4a8", "VLLM_CPU_INT4_W4A8",
              "Whether 4-bit weights meet 8-bit activations, on a CPU: 0 or 1.", "whole number"),
)  # fmt: skip

_SAMPLING = {
    "temperature": 1.0,
    "top_p": 1.0,
    "top_k": 0,
    "min_p": 0.0,
    "repetition_penalty": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
}
"""What changes nothing (sampling_params.py). It is always sent: else the model's own
generation_config.json would hold, and to change that by a flag compiles anew."""

_REQUEST = by_name(
    USUAL_KNOBS["num_predict"],
    *(
        replace(USUAL_KNOBS[n], default=v, kind=None if isinstance(v, float) else "whole number")
        for n, v in _SAMPLING.items()
    ),
    Knob("seed", "request", "auto", "client", kind="whole number"),
    Knob(
        "priority", "request", "auto", "client", kind="whole number",
        about="Smaller comes first, with scheduling_policy: priority.",
    ),
    Knob("stop", "request", "", "client"),
)  # fmt: skip

KNOBS: Mapping[str, Knob] = MappingProxyType({**_SERVER, **_REQUEST})


def cpu_cache_bytes(total: int) -> int:
    """Return the size of the KV cache on a machine without GPUs, where nobody names one.

    vLLM itself takes 0.92 of all memory there, and does not start where others use some of it.
    This is a power of two, up to 0.4 of all memory and 4 GiB.
    """
    most = min(int(0.4 * total), 2**32)
    return 1 << (most.bit_length() - 1)


def knobs(model: str, cache_bytes: int | None = None) -> dict[str, Knob]:
    """Return the knobs, with the model as one of them; `cache_bytes` where the cache has a size."""
    about = "The folder of the model, where the study names several."
    chosen = Knob("model", "restart", model, "command", "model", key="--model", about=about)
    found = {"model": chosen, **KNOBS}
    if cache_bytes is not None:
        found[CACHE] = replace(found[CACHE], default=cache_bytes)
    return found


def of_version(
    all_knobs: Mapping[str, Knob], flags: Flags
) -> tuple[dict[str, Knob], dict[str, str]]:
    """Return the knobs that a version has, and of the others why they are left out."""
    absent = {
        name: f"vLLM {flags.version} has no {knob.key}"
        for name, knob in all_knobs.items()
        if knob.where == "command" and knob.key and flags.get(knob.key) is None
    }
    return {n: k for n, k in all_knobs.items() if n not in absent}, absent


FLAGS: Mapping[str, str] = MappingProxyType(
    {k.key.removeprefix("--"): k.name for k in _SERVER.values() if k.key and k.where == "command"}
)
"""Long name of a flag -> the knob that sets it."""

VARIABLES: Mapping[str, str] = MappingProxyType(
    {k.key: k.name for k in _SERVER.values() if k.key and k.where == "environment"}
)
"""Variable -> the knob that sets it."""

RESOLVED: Mapping[str, str] = MappingProxyType(
    {
        "max_model_len": "model.max_model_len",
        "dtype": "model.dtype",
        "quantization": "model.quantization",
        "enforce_eager": "model.enforce_eager",
        "max_num_seqs": "scheduler.max_num_seqs",
        "max_num_active_seqs": "scheduler.max_num_active_seqs",
        "max_num_batched_tokens": "scheduler.max_num_batched_tokens",
        "max_num_scheduled_tokens": "scheduler.max_num_scheduled_tokens",
        "long_prefill_token_threshold": "scheduler.long_prefill_token_threshold",
        "prefill_schedule_interval": "scheduler.prefill_schedule_interval",
        "watermark": "scheduler.watermark",
        "scheduling_policy": "scheduler.policy",
        "async_scheduling": "scheduler.async_scheduling",
        "stream_interval": "scheduler.stream_interval",
        "kv_cache_memory_bytes": "cache.kv_cache_memory_bytes",
        "gpu_memory_utilization": "cache.gpu_memory_utilization",
        "kv_cache_dtype": "cache.cache_dtype",
        "enable_prefix_caching": "cache.enable_prefix_caching",
        "block_size": "cache.block_size",
        "max_cudagraph_capture_size": "compilation.max_cudagraph_capture_size",
        "speculation": "speculative.method",
        "draft_tokens": "speculative.num_speculative_tokens",
    }
)
"""Knob -> where VllmConfig holds what becomes of it."""
