"""What a server would need: what is computed, what is left unknown, and what a log corrects."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engines.vllm.folders import CONFIG
from tests.engines.vllm.memory.test_kv_cache import facts
from tuner.engines.vllm.memory.estimate import MemoryEstimate, Settings, corrected, estimate
from tuner.engines.vllm.memory.weights import Weights

GIB = 2**30
LLAMA = {
    **CONFIG, "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
    "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128256,
    "max_position_embeddings": 131072,
}  # fmt: skip
TABLE = 128256 * 4096
WEIGHTS = Weights(14.9575 * GIB / 2 - 2 * TABLE, TABLE, TABLE)
H100 = int(79.19 * GIB)
PUBLISHED = Settings(
    8192, 8192, 1024, gpu_memory_utilization=0.95, batches_in_flight=1, counts_graphs=False,
    v1_runner=True,
)  # fmt: skip


def published(settings: Settings = PUBLISHED) -> MemoryEstimate:
    """Return the estimate for a model of 8 billion values on an H100."""
    return estimate(facts(LLAMA), WEIGHTS, settings, H100)


def kv_gib(found: MemoryEstimate) -> float:
    """Return the cache of the first stage."""
    size = found.stages[0].kv_cache
    assert size is not None
    return size / GIB


@pytest.mark.parametrize(
    ("changed", "said", "tokens"),
    [
        ({}, 58.11, 476016),
        ({"kv_cache_dtype": "fp8"}, 58.11, 952032),
        ({"dtype": "float32"}, 42.80, 175296),
        ({"quantization": "fp8"}, 64.61, 529248),
        ({"tensor_parallel": 4}, 67.44, 2209792),
        ({"pipeline_parallel": 4}, 69.80, 2257264),
    ],
)
def test_settings_move_the_cache_as_published_logs_say(
    changed: dict[str, object], said: float, tokens: int
) -> None:
    """Types, quantization and GPUs come within half a percent; the rarest blocks bound tokens."""
    found = published(replace(PUBLISHED, **changed))  # type: ignore[arg-type]

    assert kv_gib(found) == pytest.approx(said, rel=5e-3)
    assert found.kv_tokens == pytest.approx(tokens, rel=5e-3)


def test_a_size_in_bytes_stands_for_the_whole_rule() -> None:
    """With kv_cache_memory_bytes, as on a CPU, the cache is known without the memory."""
    asked = replace(PUBLISHED, kv_cache_memory_bytes=GIB)
    found = estimate(facts(LLAMA), None, asked, None)

    assert found.kv_tokens == 8192
    assert found.stages[0].weights is None
    assert found.stages[0].activation is None


@pytest.mark.parametrize(
    "changed",
    [
        {"quantization": "bitsandbytes"},
        {"kv_cache_dtype": "nvfp4"},
        {"kv_cache_dtype": "int4_per_token_head"},
        {"dtype": "float8"},
    ],
)
def test_kinds_of_values_that_are_not_known_give_no_tokens(changed: dict[str, object]) -> None:
    """What a value takes is known for plain types alone."""
    found = published(replace(PUBLISHED, **changed))  # type: ignore[arg-type]

    assert found.kv_tokens is found.concurrency is found.longest is None


def test_a_checkpoint_with_a_type_of_its_own_for_the_cache_gives_no_tokens() -> None:
    """Its config.json says that the cache is quantized too, in a way that only vLLM resolves."""
    scheme = {"quantization_config": {"quant_method": "x", "kv_cache_scheme": {"num_bits": 8}}}

    assert estimate(facts({**LLAMA, **scheme}), WEIGHTS, PUBLISHED, H100).kv_tokens is None


def test_without_weights_or_memory_the_cache_is_unknown() -> None:
    """None of the parts is taken for zero."""
    assert estimate(facts(LLAMA), None, PUBLISHED, H100).kv_tokens is None
    assert estimate(facts(LLAMA), WEIGHTS, PUBLISHED, None).kv_tokens is None
    unknown = facts({**LLAMA, "layer_types": ["new_attention"] * 32})
    assert estimate(unknown, WEIGHTS, PUBLISHED, H100).stages[0].activation is None


def test_a_model_that_does_not_fit_has_no_room() -> None:
    """The room is below zero, and no request fits."""
    found = estimate(facts(LLAMA), WEIGHTS, PUBLISHED, 12 * GIB)

    assert kv_gib(found) < 0
    assert (found.kv_tokens, found.concurrency, found.longest) == (0, 0.0, 0)


def test_a_model_of_float32_is_loaded_in_halves_unless_told() -> None:
    """The type `auto` of a server halves it."""
    wide = facts({**LLAMA, "torch_dtype": "float32"})
    found = estimate(wide, WEIGHTS, PUBLISHED, H100)

    assert found.stages == published().stages


def test_a_log_of_other_settings_corrects_the_estimate() -> None:
    """Half a GiB that the first start lost is missing from the next one as well."""
    old = published()
    new = published(replace(PUBLISHED, max_num_seqs=256))
    moved = corrected(new, old, (kv_gib(old) - 0.5) * GIB)

    assert kv_gib(moved) == pytest.approx(kv_gib(new) - 0.5)
    assert moved.kv_tokens is not None and new.kv_tokens is not None
    assert moved.kv_tokens < new.kv_tokens


def test_a_size_in_bytes_is_not_corrected() -> None:
    """It is met whatever a log said before, and a log of it says nothing of the rest."""
    asked = published(replace(PUBLISHED, kv_cache_memory_bytes=GIB))

    assert corrected(asked, published(), 50 * GIB) == asked
    assert corrected(published(), asked, GIB) == published()


def test_all_parts_together_are_what_was_asked_for() -> None:
    """The cache takes what the others leave; with a size in bytes the sum says whether it fits."""
    stage = published().stages[0]
    larger = published(replace(PUBLISHED, kv_cache_memory_bytes=70 * GIB)).stages[0]

    assert stage.total == pytest.approx(H100 * 0.95)
    assert larger.total is not None and larger.total > H100
    assert estimate(facts(LLAMA), None, PUBLISHED, H100).stages[0].total is None


def test_the_newer_runner_and_eager_mode_leave_more_room() -> None:
    """No logits in float32, so that a layer is the peak; no CUDA graphs."""
    newer = replace(PUBLISHED, v1_runner=False)

    assert kv_gib(published(newer)) - kv_gib(published()) == pytest.approx(0.93, abs=0.01)
    graphs = published(replace(newer, counts_graphs=True))
    assert kv_gib(published(newer)) - kv_gib(graphs) == pytest.approx(0.84)


@given(
    st.builds(
        Settings,
        max_model_len=st.integers(1, 200_000),
        max_num_batched_tokens=st.integers(1, 100_000),
        max_num_seqs=st.integers(1, 5000),
        dtype=st.sampled_from(["auto", "float32", "half", "new"]),
        quantization=st.sampled_from([None, "fp8", "awq"]),
        kv_cache_dtype=st.sampled_from(["auto", "fp8", "nvfp4"]),
        tensor_parallel=st.integers(1, 64),
        pipeline_parallel=st.integers(1, 64),
        gpu_memory_utilization=st.floats(0.01, 1),
        kv_cache_memory_bytes=st.none() | st.integers(0, 10**12),
    ),
    st.none() | st.integers(1, 10**12),
)
def test_any_settings_give_an_estimate_or_unknown(settings: Settings, memory: int | None) -> None:
    """Also more stages than layers, more GPUs than heads, and no room at all."""
    found = estimate(facts(LLAMA), WEIGHTS, settings, memory)

    assert len(found.stages) == settings.pipeline_parallel
    assert found.kv_tokens is None or found.kv_tokens >= 0
    assert found.longest is None or 0 <= found.longest <= settings.max_model_len


@given(st.integers(1, 4096), st.integers(256, 32768), st.sampled_from([1, 2, 4]))
def test_more_requests_or_tokens_at_a_time_never_leave_more_room(
    requests: int, tokens: int, stages: int
) -> None:
    """The peak of the profiling run grows with both."""
    small = replace(
        PUBLISHED, max_num_seqs=requests, max_num_batched_tokens=tokens, pipeline_parallel=stages
    )
    large = replace(small, max_num_seqs=requests + 100, max_num_batched_tokens=tokens + 100)
    fewer, more = published(large).kv_tokens, published(small).kv_tokens

    assert fewer is not None and more is not None
    assert fewer <= more
