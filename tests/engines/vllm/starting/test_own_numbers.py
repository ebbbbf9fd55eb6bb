"""What a server says of itself as it starts is read from its log; the rest stays unknown."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tuner.testing
from tuner.engines.vllm.starting.own_numbers import OwnNumbers, read_own_numbers

RECORDED = Path(__file__).parent / "recorded"
OF_OTHERS = Path(tuner.testing.__file__).parent / "recorded"


def recorded(name: str) -> OwnNumbers:
    """Return what a recorded log says."""
    return read_own_numbers((RECORDED / name).read_text())


def test_a_start_on_cpu_is_read() -> None:
    """Memory, cache, times and arguments are those of the log; what was not compiled is unknown."""
    found = recorded("cpu-good.log")

    assert (found.version, found.serving) == ("0.32.0", True)
    assert (found.kv_cache_gib, found.kv_cache_tokens, found.max_concurrency) == (1, 46592, 22.75)
    assert (found.reading_s, found.initialized_s, found.max_model_len) == (0.23, 1.32, 2048)
    assert found.compiled_s is found.captured_s is found.compile_cache_hit is None
    assert found.loaded_gib is None
    assert found.arguments["kv_cache_memory_bytes"] == 2**30
    assert [a.setting for a in found.adjusted] == ["compilation_config"]


def test_a_published_start_on_a_gpu_is_read() -> None:
    """Numbers with commas, and those that stand in one line with others."""
    found = recorded("published-good.log")

    assert (found.kv_cache_gib, found.kv_cache_tokens, found.max_concurrency) == (
        45.83, 250304, 30.55,
    )  # fmt: skip
    assert (found.activation_gib, found.graphs_estimated_gib) == (2.47, 0.82)
    assert (found.compiled_s, found.compile_cache_hit) == (8.98, False)
    assert not found.serving


def test_arguments_and_defaults_are_read() -> None:
    """What was asked for, what vLLM chose, and a variable that it does not know."""
    found = recorded("published-arguments.log")

    assert found.arguments["max_model_len"] == 8192
    assert found.arguments["enable_prefix_caching"] is False
    assert found.defaults == {"max_num_batched_tokens": 8192, "max_num_seqs": 1024}
    assert [a.setting for a in found.adjusted] == ["VLLM_ATTENTION_BACKEND"]


@pytest.mark.parametrize(
    ("line", "hit"),
    [
        ("Directly load the compiled graph(s) for compile range (1, 8192) from the cache", True),
        ("Directly load AOT compilation from path /c/torch_aot_compile/12de/model", True),
        ("Compiling a graph for compile range (1, 8192) takes 5.20 s", False),
        ("saved AOT compiled function to /c/torch_aot_compile/12de/rank_0_0/model", False),
        ("Compiling model again due to a load failure from /c/12de/model, reason: x", False),
        ("Using cache directory: /c/torch_compile_cache for vLLM's torch.compile", None),
    ],
)  # fmt: skip
def test_whether_compiled_code_was_found_is_told(line: str, hit: bool | None) -> None:
    """A warm start loads it, a cold one makes and saves it."""
    found = read_own_numbers(f"(EngineCore pid=1) INFO 11-30 11:21:52 [b.py:1] {line}")

    assert found.compile_cache_hit is hit


def test_the_times_of_compiling_and_capturing_are_read() -> None:
    """Newer versions give the time of compilation with that of the whole."""
    found = read_own_numbers(
        "(Worker pid=2) INFO 11-30 11:21:52 [gpu_model_runner.py:6582] Graph capturing finished in "
        "17 secs, took 1.55 GiB\n"
        "(EngineCore pid=1) INFO 11-30 11:21:54 [core.py:394] init engine (profile, create kv "
        "cache, warmup model) took 81.20 s (compilation: 41.50 s)\n"
        "(Worker pid=2) INFO 11-30 11:21:30 [gpu_model_runner.py:5150] Model loading took 7.01 GiB "
        "memory and 12.429379 seconds\n"
    )

    assert (found.captured_s, found.graphs_gib) == (17, 1.55)
    assert (found.initialized_s, found.compiled_s) == (81.2, 41.5)
    assert (found.loaded_gib, found.loading_s) == (7.01, 12.429379)


@pytest.mark.parametrize(
    ("said", "setting"),
    [
        ("Truncating max_cudagraph_capture_size to 40", "max_cudagraph_capture_size"),
        ("Async scheduling not supported with ngram-based speculation", "async_scheduling"),
        ("Async scheduling is disabled because the V1 model runner", "async_scheduling"),
        ("CPU MLA backend requires block_size=16, overriding user-specified", "block_size"),
        ("Your device 'cpu' doesn't support torch.float16. Falling back to", "dtype"),
        ("Auto-fit max_model_len: reduced from 8192 to 4096 to fit", "max_model_len"),
        ("Applying persisted startup plan (fingerprint 1a2b): kv", "gpu_memory_utilization"),
        ("max_num_batched_tokens (8192) exceeds max_num_seqs", "max_num_batched_tokens"),
        ("Using VLLM_X environment variable is deprecated and will be removed in v1", "VLLM_X"),
        ("--log-config-file is deprecated and will be removed in v0.33.0. ", "--log-config-file"),
        ("Compiling model again due to a load failure from /c/m, reason: x", "compile cache"),
        ("--device-ids has no effect when using the Ray executor.", "--device-ids"),
    ],
)  # fmt: skip
def test_a_setting_that_is_not_in_force_is_named_once(said: str, setting: str) -> None:
    """Two processes say it, and it is told once in the log's words."""
    lines = [f"({name}) WARNING 11-30 11:21:52 [vllm.py:2521] {said}"
             for name in ("APIServer pid=1", "EngineCore pid=2")]  # fmt: skip
    found = read_own_numbers("\n".join(lines))

    assert [(a.setting, a.said) for a in found.adjusted] == [(setting, said.strip())]


def test_secrets_among_the_arguments_are_left_out() -> None:
    """A key that the log shows goes no further."""
    found = read_own_numbers(
        "non-default args: {'api_key': ['s3cret'], 'hf_token': 'hf_x', 'port': 1}"
    )

    assert found.arguments == {"port": 1}


def test_what_comes_after_the_start_does_not_count() -> None:
    """A request may hold any text, also that of a line of the start."""
    found = read_own_numbers(
        "INFO:     Application startup complete.\nGPU KV cache size: 12 tokens\n"
    )

    assert found.serving
    assert found.kv_cache_tokens is None


def test_the_log_of_another_engine_says_nothing() -> None:
    """All is unknown, and nothing is taken for zero."""
    found = read_own_numbers((OF_OTHERS / "startup.log").read_text())
    numbers = {f.name: getattr(found, f.name) for f in fields(found)}

    assert {n for n, value in numbers.items() if value not in (None, False, (), {})} == set()


@given(st.text() | st.lists(st.sampled_from([
    "non-default args: {", "}", "'a': ", "(((", "Model loading took ", "1,2.3", " GiB", "\n",
    "init engine (", ") took ", " s", "is deprecated and", "--x ", "has no effect",
])).map("".join))  # fmt: skip
def test_any_text_is_read(log: str) -> None:
    """No log raises."""
    assert isinstance(read_own_numbers(log), OwnNumbers)
