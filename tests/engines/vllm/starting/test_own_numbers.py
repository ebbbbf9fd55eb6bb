"""What a server says of itself as it starts is read from its log; the rest stays unknown."""

from __future__ import annotations

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


@pytest.mark.parametrize(
    ("log", "gib", "tokens", "adjusted"),
    [
        ("cpu-good.log", 1, 46592, ["compilation_config"]),
        ("published-good.log", 45.83, 250304, []),  # numbers with commas, in a line with others
        ("published-arguments.log", None, None, ["VLLM_ATTENTION_BACKEND"]),
    ],
)
def test_a_recorded_start_is_read(
    log: str, gib: float | None, tokens: int | None, adjusted: list[str]
) -> None:
    """The cache and what is not in force are those of the log; what it lacks is unknown."""
    found = recorded(log)

    assert (found.kv_cache_gib, found.kv_cache_tokens) == (gib, tokens)
    assert [a.setting for a in found.adjusted] == adjusted


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


def test_what_comes_after_the_start_does_not_count() -> None:
    """A request may hold any text, also that of a line of the start."""
    found = read_own_numbers(
        "INFO:     Application startup complete.\nGPU KV cache size: 12 tokens\n"
    )

    assert found.kv_cache_tokens is None


def test_the_log_of_another_engine_says_nothing() -> None:
    """All is unknown, and nothing is taken for zero."""
    found = read_own_numbers((OF_OTHERS / "startup.log").read_text())

    assert found == OwnNumbers(None, None, ())


@given(st.text() | st.lists(st.sampled_from([
    "KV cache size: ", " tokens", "Available KV cache memory: ", "Auto set (", "1,2.3", " GiB",
    "/", "\n", "is deprecated and", "--x ", "has no effect",
])).map("".join))  # fmt: skip
def test_any_text_is_read(log: str) -> None:
    """No log raises."""
    assert isinstance(read_own_numbers(log), OwnNumbers)
