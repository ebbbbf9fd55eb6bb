"""What cannot start is known beforehand: by arithmetic, and by what a failed start said."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.vllm.pythons import model
from tuner.engines.memory import Room
from tuner.engines.vllm.preflight.limits import Limits
from tuner.engines.vllm.starting.own_numbers import OwnNumbers, read_own_numbers

KIB = 2**10
PER_TOKEN = 2 * 2 * 16 * 2 * 2
"""Bytes of a token of the stand-in's model: keys and values, 2 heads of 16, 2 layers, bf16."""

SETTINGS = {"max_model_len": 4096, "block_size": 16, "max_num_seqs": 8}


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """Return a small model's folder."""
    return str(model(tmp_path / "model"))


def test_a_cache_that_holds_no_request_is_refused(folder: str) -> None:
    """A given size of the cache holds so many tokens; a longer context cannot start."""
    limits, size = Limits(), 1000 * PER_TOKEN

    refused = limits.refusal(folder, {**SETTINGS, "kv_cache_memory_bytes": size})
    assert refused is not None
    assert "would hold a request of 992 tokens, and max_model_len is 4096" in refused
    assert limits.refusal(folder, {**SETTINGS, "kv_cache_memory_bytes": 8 * size}) is None


def test_what_a_failed_start_said_is_kept(folder: str) -> None:
    """The longest request that its log named bounds the same settings, and no others."""
    limits = Limits()
    limits.learn(folder, SETTINGS, 2048)

    assert limits.refusal(folder, SETTINGS) is not None
    assert limits.refusal(folder, {**SETTINGS, "max_model_len": 2048}) is None
    assert limits.refusal(folder, {**SETTINGS, "max_num_seqs": 4}) is None


def test_nothing_is_known_of_a_model_elsewhere() -> None:
    """A name at a hub is no folder: vLLM itself decides."""
    settings = {**SETTINGS, "kv_cache_memory_bytes": 1}

    assert Limits().refusal("someone/model", settings) is None


ON_A_GPU = {**SETTINGS, "gpu_memory_utilization": 0.9, "enforce_eager": True}


def log(tokens: int) -> OwnNumbers:
    """Return what a server says that has room for so many tokens."""
    size = tokens * PER_TOKEN / 2**30
    return read_own_numbers(
        f"INFO 11-30 11:21:52 [w.py:1] Available KV cache memory: {size:.9f} GiB\n"
        f"INFO 11-30 11:21:52 [k.py:1] GPU KV cache size: {tokens:,} tokens\n"
    )


def test_a_gpu_without_room_for_a_request_is_refused(folder: str) -> None:
    """Weights and what computing takes are estimated; an estimate that may be off refuses less."""
    roomy, tight = Limits(gpu_bytes=80 * 2**30), Limits(gpu_bytes=2**20)

    assert roomy.refusal(folder, ON_A_GPU) is None
    refused = tight.refusal(folder, ON_A_GPU)
    assert refused is not None
    assert "raise gpu_memory_utilization" in refused
    assert Limits().refusal(folder, ON_A_GPU) is None


def test_a_log_that_says_otherwise_is_told_and_believed(folder: str) -> None:
    """What the server has room for bounds later candidates of the same types."""
    limits = Limits(gpu_bytes=80 * 2**30)
    said = limits.hear(folder, ON_A_GPU, log(2048))

    assert said is not None
    assert "vLLM's log says 2048" in said
    assert limits.refusal(folder, ON_A_GPU) is not None
    assert limits.refusal(folder, {**ON_A_GPU, "max_model_len": 1024}) is None
    assert limits.hear(folder, ON_A_GPU, log(2048)) is None


def test_a_log_without_numbers_changes_nothing(folder: str) -> None:
    """What it does not say is unknown, not zero."""
    limits = Limits(gpu_bytes=80 * 2**30)

    assert limits.hear(folder, ON_A_GPU, read_own_numbers("")) is None
    assert limits.refusal(folder, ON_A_GPU) is None


def test_a_setting_that_is_left_open_is_taken_as_vllm_has_it(folder: str) -> None:
    """The word `auto` stands for a number that only vLLM knows."""
    opened = {**SETTINGS, "max_num_batched_tokens": "auto", "block_size": "auto"}

    assert Limits().refusal(folder, {**opened, "kv_cache_memory_bytes": 2**30}) is None


def test_memory_that_is_not_there_is_told(folder: str) -> None:
    """Weights and a cache of a given size have to fit into what is free."""
    small = Room(10 * KIB, 100 * KIB)
    settings = {**SETTINGS, "kv_cache_memory_bytes": 11 * KIB}

    short = Limits().shortage(folder, settings, small)
    assert short is not None
    assert "lower kv_cache_memory_bytes" in short
    assert Limits().shortage(folder, settings, Room(2**40, 2**40)) is None


def test_a_share_of_all_memory_is_told(folder: str) -> None:
    """Without a size vLLM wants 0.92 of the machine's memory to be free."""
    short = Limits().shortage(folder, SETTINGS, Room(KIB, KIB))

    assert short is not None
    assert "vLLM wants 92% of all memory" in short
    assert "set kv_cache_memory_bytes" in short
