"""What settings mean by the names that servers mostly give them.

A study that declares knobs of its own, and tests that make engines, need say no more than a name.
Names of Ollama (api/types.go), llama.cpp (tools/server/README.md), vLLM (SamplingParams) and of
the OpenAI API reference.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from tuner.spec.knobs import Knob, Role
from tuner.spec.values import Setting

ROLES: Mapping[str, Role] = MappingProxyType(
    {
        **dict.fromkeys(
            ("num_predict", "n_predict", "max_tokens", "max_completion_tokens"), "limit"
        ),
        **dict.fromkeys(("num_ctx", "ctx_size", "max_model_len"), "context"),
        **dict.fromkeys(("num_thread", "threads"), "threads"),
        **dict.fromkeys(("num_parallel", "parallel", "max_num_seqs"), "slots"),
        "num_batch": "batch",
        "kv_cache_type": "cache",
        "flash_attention": "attention",
        "temperature": "temperature",
    }
)
"""Name of a knob or of its field -> role."""

NEUTRAL: Mapping[str, Setting] = MappingProxyType(
    {
        "temperature": 0.0,
        "repeat_penalty": 1.0,
        "repetition_penalty": 1.0,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
    }
)
"""Name of a knob or of its field -> the value at which it does least."""


def usual(knob: Knob) -> Knob:
    """Return a knob with the role and the neutral value that its key, or else its name, has."""
    names = [name for name in (knob.key, knob.name) if name is not None]
    role = next((ROLES[name] for name in names if name in ROLES), knob.role)
    neutral = next((NEUTRAL[name] for name in names if name in NEUTRAL), knob.neutral)
    return replace(knob, role=role, neutral=neutral)
