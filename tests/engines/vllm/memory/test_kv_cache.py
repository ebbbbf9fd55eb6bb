"""The layout of the KV cache, against what servers logged and what must hold for any model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engines.vllm.folders import CONFIG
from tuner.engines.vllm.memory.kv_cache import KvCache, layout
from tuner.engines.vllm.memory.model_config import KNOWN, Layers, ModelFacts, read_facts

GEMMA3 = {
    **CONFIG, "architectures": ["Gemma3ForCausalLM"], "num_hidden_layers": 48, "hidden_size": 3840,
    "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 256, "sliding_window": 1024,
}  # fmt: skip
GPT_OSS = {
    **CONFIG, "architectures": ["GptOssForCausalLM"], "num_hidden_layers": 24, "head_dim": 64,
    "num_attention_heads": 64, "num_key_value_heads": 8, "sliding_window": 128,
}  # fmt: skip
SMALL = {
    **CONFIG, "num_hidden_layers": 30, "hidden_size": 576, "num_attention_heads": 9,
    "num_key_value_heads": 3,
}  # fmt: skip


def facts(config: Mapping[str, Any]) -> ModelFacts:
    """Return the facts of a config.json that states all of them."""
    found = read_facts(config, "config.json")
    assert found is not None
    return found


def cache(config: Mapping[str, Any], gpus: int = 1, block: int = 16, width: int = 2) -> KvCache:
    """Return the layout of a model's cache on each of so many GPUs."""
    read = facts(config)
    found = layout(read, read.layers, width, gpus, block, 8192)
    assert found is not None
    return found


def test_a_start_on_cpu_gives_the_tokens_that_it_logged() -> None:
    """One GiB for thirty layers of three heads is 46,592 tokens and 22.75 requests of 2,048."""
    found = cache(SMALL, block=128)

    assert found.tokens(2**30, 2048) == 46592
    assert found.concurrency(2**30, 2048) == pytest.approx(22.75)


@pytest.mark.parametrize(
    ("config", "gpus", "blocks", "requests"),
    [(GEMMA3, 1, 48867, 15.88), (GPT_OSS, 2, 323972, 316.07)],
)
def test_layers_with_windows_give_the_requests_that_were_logged(
    config: Mapping[str, Any], gpus: int, blocks: int, requests: float
) -> None:
    """Blocks and requests of 8,192 tokens as in published logs of vLLM 0.19.0."""
    found = cache(config, gpus)

    assert found.concurrency(blocks * found.block_bytes, 8192) == pytest.approx(requests, abs=5e-3)


def test_tables_have_the_layers_of_the_rarest_kind() -> None:
    """Eight full and forty sliding layers make six tables of eight; 13 and 12 make two of 13."""
    assert (len(cache(GEMMA3).tables), cache(GEMMA3).table_layers) == (6, 8)
    nearly = replace(
        facts(GPT_OSS), attention=(Layers("full", 13), Layers("sliding", 12, 128)), layers=25
    )
    found = layout(nearly, 25, 2, 1, 16, 8192)
    assert found is not None
    assert (len(found.tables), found.table_layers) == (2, 13)


def test_a_latent_is_kept_whole_by_every_gpu() -> None:
    """Multi-head latent attention keeps one vector of 512 and 64 values a token and layer."""
    config = {
        **CONFIG, "architectures": ["DeepseekV2ForCausalLM"], "num_hidden_layers": 27,
        "kv_lora_rank": 512, "qk_rope_head_dim": 64,
    }  # fmt: skip

    assert cache(config).token_bytes == cache(config, gpus=2).token_bytes == 31104
    assert cache(config, width=1).token_bytes == 31104 / 2


def test_heads_are_dealt_to_gpus_until_each_has_one() -> None:
    """With more GPUs than heads for keys and values, each still keeps one."""
    sizes = [cache(CONFIG, gpus).token_bytes for gpus in (1, 2, 4)]

    assert sizes == [2 * sizes[1], sizes[1], sizes[1]]


def test_a_request_in_a_window_holds_no_more_than_the_window() -> None:
    """A layer that looks back at all tokens holds a block for each sixteen of them."""
    full, windows = cache(SMALL), cache({**SMALL, "sliding_window": 1024})

    assert full.request_blocks(100_000) == 6250
    assert windows.request_blocks(100_000) == -(-(1023 + 8192) // 16) + 1


@pytest.mark.parametrize(
    "changed",
    [
        {"layer_types": ["full_attention", "linear_attention"] * 2},
        {"layer_types": ["sliding_attention"] * 4},
        {"layer_types": ["full_attention"] * 3},
        {"architectures": ["Qwen2ForCausalLM"], "sliding_window": 64, "use_sliding_window": True},
    ],
)
def test_what_is_not_known_is_not_guessed(changed: Mapping[str, Any]) -> None:
    """Layers of a kind that is new, or of which too little is told, give no layout."""
    read = facts({**CONFIG, **changed})

    assert read.attention is None
    assert layout(read, read.layers, 2, 1, 16, 8192) is None


@given(
    st.sampled_from(sorted(KNOWN)),
    st.integers(1, 64),
    st.sampled_from([1, 2, 4, 8]),
    st.integers(1, 40_000),
    st.floats(0, 1e11),
)
def test_the_longest_request_fits_and_a_longer_one_does_not(
    architecture: str, layers: int, gpus: int, limit: int, kv_bytes: float
) -> None:
    """The cache holds one request of the greatest length, and none of one token more."""
    config = {
        **CONFIG, "architectures": [architecture], "num_hidden_layers": layers,
        "kv_lora_rank": 64, "qk_rope_head_dim": 8, "attention_chunk_size": 4096,
    }  # fmt: skip
    found = cache(config if architecture.startswith(("Llama4", "Deep", "Kimi")) else
                  {**config, "sliding_window": 512, "use_sliding_window": False}, gpus)  # fmt: skip
    longest = found.longest(kv_bytes, limit)

    assert 0 <= longest <= limit
    assert longest == 0 or found.concurrency(kv_bytes, longest) >= 1
    assert longest == limit or found.concurrency(kv_bytes, longest + 1) < 1
