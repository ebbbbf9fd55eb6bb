"""What a candidate amounts to, as vLLM's resolver says it or, where that cannot run, as we know."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from tuner.engines.base import Resolution
from tuner.engines.serving.readback import same
from tuner.engines.vllm.preflight.resolver import Answer
from tuner.engines.vllm.settings.knobs import KNOBS, NO_SPECULATION, RESOLVED
from tuner.spec.values import Candidate, Setting

COMPILED_BY = (
    "model", "max_model_len", "max_num_seqs", "max_num_batched_tokens", "block_size",
    "kv_cache_dtype", "quantization", "dtype", "speculation", "max_cudagraph_capture_size",
    "performance_mode", "enforce_eager",
)  # fmt: skip
"""Knobs that change what is compiled, where vLLM cannot be asked (VllmConfig.compute_hash)."""

_OF_THE_START_ALONE = ("cache.user_specified_block_size",)
"""Values that tell how settings were given, and change nothing."""

_TIGHTER = {
    "scheduler.max_num_active_seqs": "scheduler.max_num_seqs",
    "scheduler.max_num_scheduled_tokens": "scheduler.max_num_batched_tokens",
}
"""Limits below another one: at its value they are as good as none (v1/core/sched/scheduler.py)."""


def of_answer(candidate: Candidate, answer: Answer, beside: Mapping[str, str]) -> Resolution:
    """Return what vLLM's own answer amounts to.

    `beside` are settings that its configuration does not hold: variables and flags of the server.
    """
    if answer.refused is not None:
        return Resolution(refused=answer.refused, notes=answer.notes)
    values = _in_effect(answer.values)
    settings = dict(_settings(values))
    return Resolution(
        identity=digest({**values, **beside}),
        settings=settings,
        compiled=answer.compiled,
        notes=(*_differences(candidate, settings), *answer.notes),
    )


def by_rules(candidate: Candidate, beside: Mapping[str, str], why: str) -> Resolution:
    """Return what a candidate amounts to by what is known of vLLM; `why` it was not asked."""
    asked = {n: v for n, v in candidate.items() if n in KNOBS and KNOBS[n].tier != "request"} | {
        "model": candidate["model"]
    }
    values = _in_effect({RESOLVED.get(n, n): v for n, v in asked.items()})
    refused = next(_refusals(asked), None)
    return Resolution(
        identity=None if refused else digest({**values, **beside}),
        settings={},
        compiled=digest({n: asked.get(n) for n in COMPILED_BY}),
        refused=refused,
        notes=(f"vLLM's resolver was not asked: {why}",),
    )


def digest(what: Mapping[str, Any]) -> str:
    """Return a short name that is the same for the same content."""
    return hashlib.sha256(json.dumps(what, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _in_effect(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration with what changes nothing taken out.

    A threshold that no step of prefill can exceed is as good as none (v1/core/sched/scheduler.py);
    with a KV cache of a given size the share of the memory is not used for it
    (v1/worker/gpu_worker.py, determine_available_memory).
    """
    found = {name: v for name, v in values.items() if name not in _OF_THE_START_ALONE}
    threshold = found.get("scheduler.long_prefill_token_threshold")
    batch = found.get("scheduler.max_num_batched_tokens")
    if _number(threshold) and _number(batch) and float(threshold or 0) >= float(batch or 0):
        found["scheduler.long_prefill_token_threshold"] = 0
    for tighter, limit in _TIGHTER.items():
        if found.get(tighter) == found.get(limit):
            found[tighter] = None
    if _number(found.get("cache.kv_cache_memory_bytes")):
        found.pop("cache.gpu_memory_utilization", None)
    if found.get("speculative.method", NO_SPECULATION) == NO_SPECULATION:
        found.pop("speculative.num_speculative_tokens", None)
    return found


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _settings(values: Mapping[str, Any]) -> Iterator[tuple[str, Setting]]:
    """Yield what becomes of each knob, as far as the configuration holds it."""
    for name, place in RESOLVED.items():
        value = values.get(place)
        if isinstance(value, str | int | float | bool):
            yield name, value.removeprefix("torch.") if isinstance(value, str) else value


def _differences(candidate: Candidate, settings: Mapping[str, Setting]) -> Iterator[str]:
    """Yield a sentence for each knob of which vLLM makes something else."""
    for name in RESOLVED:
        asked, knob = candidate.get(name), KNOBS[name]
        if asked is None or knob.leaves_open(asked) or name in ("speculation", "draft_tokens"):
            continue
        real = settings.get(name)
        if real is None:
            yield f"{name}: asked for {asked}, without effect beside the other settings"
        elif not same(asked, real) and not _same_word(asked, real):
            yield f"{name}: asked for {asked}, vLLM makes it {real}"


def _same_word(asked: Setting, real: Setting) -> bool:
    """Tell whether two words mean the same: vLLM completes short ones (fp8, half)."""
    return isinstance(asked, str) and isinstance(real, str) and real.startswith(asked)


def _refusals(asked: Mapping[str, Setting]) -> Iterator[str]:
    """Yield why vLLM refuses settings (config/scheduler.py, verify_max_model_len)."""

    def number(name: str) -> float | None:
        value = asked.get(name)
        return float(value) if _number(value) else None  # type: ignore[arg-type]

    for small, large in (
        ("max_num_seqs", "max_num_batched_tokens"),
        ("max_num_active_seqs", "max_num_seqs"),
        ("long_prefill_token_threshold", "max_model_len"),
    ):
        low, high = number(small), number(large)
        if low is not None and high is not None and low > high:
            yield f"{small} ({low:g}) cannot be greater than {large} ({high:g})"
