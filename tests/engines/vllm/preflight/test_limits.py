"""What cannot start is known beforehand: by arithmetic, and by what a failed start said."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.vllm.pythons import model
from tuner.engines.memory import Room
from tuner.engines.vllm.preflight.limits import Limits

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
