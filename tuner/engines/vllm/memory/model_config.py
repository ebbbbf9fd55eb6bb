"""What config.json says of a model: the facts from which its memory follows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from tuner.spec.errors import InputError
from tuner.spec.file.checked import validated
from tuner.spec.file.parts import Part

Attention = Literal["full", "sliding", "chunked"]

_KINDS: Mapping[str, Attention] = {
    "full_attention": "full",
    "sliding_attention": "sliding",
    "chunked_attention": "chunked",
}

_ONE_KIND = frozenset((
    "GemmaForCausalLM", "GraniteForCausalLM", "LlamaForCausalLM", "MistralForCausalLM",
    "MixtralForCausalLM", "Phi3ForCausalLM", "PhiForCausalLM", "Qwen2ForCausalLM",
    "Qwen2MoeForCausalLM", "Qwen3ForCausalLM", "Qwen3MoeForCausalLM",
    "LlavaNextForConditionalGeneration", "Mistral3ForConditionalGeneration",
))  # fmt: skip
"""Architectures whose layers attend alike, unless `layer_types` says otherwise."""

_LATENT = frozenset((
    "DeepseekV2ForCausalLM", "DeepseekV3ForCausalLM", "KimiVLForConditionalGeneration",
))  # fmt: skip
"""They keep one latent vector a token (vllm/transformers_utils/model_arch_config_convertor.py)."""

_EVERY = {
    "Gemma2ForCausalLM": 2,
    "Gemma3ForCausalLM": 6,
    "Gemma3ForConditionalGeneration": 6,
    "GptOssForCausalLM": 2,
    "Llama4ForConditionalGeneration": 4,
}
"""Of how many layers the last one attends to everything (transformers' configuration_*.py)."""

KNOWN = _ONE_KIND | _LATENT | _EVERY.keys()

_Count = Annotated[int, Field(ge=0, strict=True)] | None
"""A number that some models write as 0 or null where they have none."""


class _Lenient(Part):
    model_config = ConfigDict(extra="ignore")


class _Classes(_Lenient):
    architectures: tuple[str, ...] | None = None


class _Quantization(_Lenient):
    quant_method: str | None = None
    kv_cache_scheme: dict[str, Any] | None = None


class _Text(_Lenient):
    hidden_size: _Count = None
    intermediate_size: _Count = None
    moe_intermediate_size: _Count = None
    num_hidden_layers: _Count = None
    num_attention_heads: _Count = None
    num_key_value_heads: _Count = None
    head_dim: _Count = None
    kv_lora_rank: _Count = None
    qk_rope_head_dim: _Count = None
    vocab_size: _Count = None
    max_position_embeddings: _Count = None
    num_experts: _Count = None
    num_local_experts: _Count = None
    n_routed_experts: _Count = None
    num_experts_per_tok: _Count = None
    sliding_window: _Count = None
    sliding_window_pattern: _Count = None
    use_sliding_window: bool | None = None
    attention_chunk_size: _Count = None
    layer_types: tuple[str, ...] | None = None
    rope_scaling: dict[str, Any] | None = None
    rope_parameters: dict[str, Any] | None = None
    torch_dtype: str | None = None
    dtype: str | None = None


class _Config(_Text):
    text_config: _Text | None = None
    quantization_config: _Quantization | None = None


@dataclass(frozen=True, slots=True)
class Layers:
    """So many layers that attend in one way; `window` is the tokens that they look back at."""

    kind: Attention
    count: int
    window: int | None = None


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What a model's memory follows from.

    `attention` is None where it is not known how the layers keep their cache.
    `kv_values` counts the cached values of a token in one layer over all `kv_heads`; with `latent`
    they are one vector, which every GPU holds whole. `rope_values` counts those of the table of
    positions. `expert_width` and `experts_per_token` are None for a model without experts.
    """

    architecture: str
    dtype: str | None
    quantization: str | None
    own_kv_type: bool
    layers: int
    hidden: int
    vocab: int
    max_len: int | None
    kv_heads: int
    kv_values: int
    latent: bool
    attention: tuple[Layers, ...] | None
    width: int
    expert_width: int | None
    experts_per_token: int | None
    rope_values: int
    multimodal: bool


def read_facts(content: Mapping[str, Any], file: str) -> ModelFacts | None:
    """Return the facts of a config.json, `file` in messages.

    None for an architecture that is not known, and where values are left to defaults. Raises
    InputError for a value of the wrong kind, and where the class of the model is missing.
    """
    architecture = read_architecture(content, file)
    if architecture not in KNOWN:
        return None
    config = validated(_Config, content, file)
    text = config.text_config or config
    layers, hidden, heads = text.num_hidden_layers, text.hidden_size, text.num_attention_heads
    if not (layers and hidden and heads and text.vocab_size and text.intermediate_size):
        return None
    latent = architecture in _LATENT and bool(text.kv_lora_rank)
    rotated = text.qk_rope_head_dim or 0 if latent else text.head_dim or hidden // heads
    kv_heads = 1 if latent else text.num_key_value_heads or heads
    quantization = config.quantization_config
    experts = text.num_experts or text.num_local_experts or text.n_routed_experts
    return ModelFacts(
        architecture=architecture,
        dtype=config.dtype or config.torch_dtype or text.dtype or text.torch_dtype,
        quantization=quantization.quant_method if quantization else None,
        own_kv_type=bool(quantization and quantization.kv_cache_scheme),
        layers=layers,
        hidden=hidden,
        vocab=text.vocab_size,
        max_len=text.max_position_embeddings,
        kv_heads=kv_heads,
        kv_values=(text.kv_lora_rank or 0) + rotated if latent else 2 * kv_heads * rotated,
        latent=latent,
        attention=_attention(architecture, text, layers),
        width=text.intermediate_size,
        expert_width=text.moe_intermediate_size or text.intermediate_size if experts else None,
        experts_per_token=text.num_experts_per_tok if experts else None,
        rope_values=_rope_values(text, rotated),
        multimodal=config.text_config is not None,
    )


def read_architecture(content: Mapping[str, Any], file: str) -> str:
    """Return the class of the model that a config.json names; raise InputError for none."""
    classes = validated(_Classes, content, file).architectures
    if not classes:
        raise InputError(
            f"{file}: architectures: missing; expected the class of the model, as in "
            '["LlamaForCausalLM"]; fetch the model anew'
        )
    return classes[0]


def _attention(architecture: str, text: _Text, layers: int) -> tuple[Layers, ...] | None:
    """Return how layers attend; None where it is not known."""
    if text.layer_types:
        return _counted(text.layer_types, text) if len(text.layer_types) == layers else None
    if every := _EVERY.get(architecture):
        if architecture.startswith("Gemma3"):
            every = text.sliding_window_pattern or every
        local = "chunked_attention" if architecture.startswith("Llama4") else "sliding_attention"
        kinds = [local if (n + 1) % every else "full_attention" for n in range(layers)]
        return _counted(kinds, text)
    window = None if text.use_sliding_window is False else text.sliding_window
    if architecture.startswith("Qwen"):
        if text.use_sliding_window:
            return None  # some of its layers only, by max_window_layers
        window = None
    return (Layers("sliding", layers, window) if window else Layers("full", layers),)


def _counted(kinds: tuple[str, ...] | list[str], text: _Text) -> tuple[Layers, ...] | None:
    windows = {
        "full": None,
        "sliding": text.sliding_window or None,
        "chunked": text.attention_chunk_size,
    }
    found = []
    for name, count in sorted(Counter(kinds).items()):
        kind = _KINDS.get(name)
        if kind is None or (kind != "full" and windows[kind] is None):
            return None
        found.append(Layers(kind, count, windows[kind]))
    return tuple(found)


def _rope_values(text: _Text, rotated: int) -> int:
    """Return how many cosines and sines are kept: those of all positions.

    Scaling of the linear kind keeps more of them (vllm's linear_scaling_rope.py).
    """
    told = [s for s in (text.rope_scaling, text.rope_parameters) if s]
    told += [part for s in told for part in s.values() if isinstance(part, dict)]
    factors = [
        s["factor"]
        for s in told
        if s.get("rope_type", s.get("type")) == "linear"
        and isinstance(s.get("factor"), int | float)
    ]
    return int((text.max_position_embeddings or 0) * max(factors, default=1)) * rotated
