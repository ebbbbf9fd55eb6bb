"""The memory pre-check: what cannot fit is refused with both numbers, before it is started."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tuner.testing
from tests import gguf_files
from tuner.engines.llamacpp import KNOBS, LlamaCpp
from tuner.engines.memory import (
    BYTES_PER_VALUE,
    cache_bytes,
    cached_per_token,
    ensure_fits,
    f16_bytes_per_token,
    needed_bytes,
)
from tuner.engines.models import default_path, from_gguf
from tuner.spec.errors import StartFailed
from tuner.spec.values import Model
from tuner.testing.fake_engine import MODEL

RECORDED = Path(tuner.testing.__file__).parent / "recorded"
LOG = (RECORDED / "startup.log").read_text()
DEFAULT = {name: knob.default for name, knob in KNOBS.items()}
SMOLLM2 = Model("m", "m.gguf", weights_bytes=93 * 2**20, cached_per_token=30 * 3 * 2 * 64)

contexts = st.integers(1, 200_000)
slots = st.integers(1, 64)
kinds = st.sampled_from(sorted(BYTES_PER_VALUE))


def settings(num_ctx: int, num_parallel: int, kind: str = "f16") -> dict[str, Any]:
    """Return a candidate of the embedded engine."""
    return DEFAULT | {"num_ctx": num_ctx, "num_parallel": num_parallel, "kv_cache_type": kind}


def logged_facts() -> dict[str, Any]:
    """Return the numbers of the metadata that the recorded start printed."""
    pairs = re.findall(r"kv +\d+: +(\S+) u32 += (\d+)", LOG)
    return {name: int(value) for name, value in pairs} | {"general.architecture": "llama"}


def test_the_cache_is_as_large_as_llama_cpp_said() -> None:
    """Metadata and settings of the recorded start give the size that it logged."""
    (size,), (cells, seqs) = (
        re.findall(r"llama_kv_cache: size = +([\d.]+) MiB", LOG),
        re.findall(r"\( *(\d+) cells, +\d+ layers, +(\d+)/\d+ seqs\)", LOG)[0],
    )
    model = replace(SMOLLM2, cached_per_token=cached_per_token(logged_facts()))

    assert cache_bytes(model, settings(int(cells), int(seqs))) == float(size) * 2**20


@given(contexts, contexts, slots, kinds)
def test_a_longer_context_never_needs_less(one: int, other: int, parallel: int, kind: str) -> None:
    """The estimate grows with num_ctx, in steps of 256."""
    low, high = sorted((one, other))
    less = needed_bytes(SMOLLM2, settings(low, parallel, kind))
    more = needed_bytes(SMOLLM2, settings(high, parallel, kind))

    assert less <= more
    assert (less < more) == (-(-low // 256) < -(-high // 256))


@given(contexts, slots, kinds)
def test_each_slot_needs_as_much_again(num_ctx: int, parallel: int, kind: str) -> None:
    """The cache is proportional to num_parallel, the weights are there once."""
    one = cache_bytes(SMOLLM2, settings(num_ctx, 1, kind))
    all_of_them = cache_bytes(SMOLLM2, settings(num_ctx, parallel, kind))

    assert all_of_them == pytest.approx(parallel * one, abs=parallel)
    assert needed_bytes(SMOLLM2, settings(num_ctx, parallel, kind)) == all_of_them + 93 * 2**20


@given(contexts, slots)
def test_fewer_bits_need_less(num_ctx: int, parallel: int) -> None:
    """f16 takes more than q8_0, and q8_0 more than q4_0."""
    sizes = [cache_bytes(SMOLLM2, settings(num_ctx, parallel, k)) for k in ("f16", "q8_0", "q4_0")]

    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, 11520),
        ({"llama.attention.head_count_kv": [3] * 10 + [0] * 20}, 3840),
        ({"llama.attention.key_length": 128, "llama.attention.value_length": 128}, 23040),
        ({"llama.attention.sliding_window": 512}, None),
        ({"llama.attention.kv_lora_rank": 512}, None),
        ({"general.architecture": "mamba"}, None),
    ],
)
def test_what_one_token_keeps(changes: dict[str, Any], found: int | None) -> None:
    """Layers may differ, heads may be wider than usual; what caches otherwise is not guessed."""
    assert cached_per_token(logged_facts() | changes) == found


def test_what_cannot_fit_is_refused_with_both_numbers(tmp_path: Path) -> None:
    """Nothing is started, and the sentence holds what is needed and what is there."""
    huge = replace(MODEL, weights_bytes=2**50)
    engine = LlamaCpp(huge, tmp_path, ("never-started",))

    with pytest.raises(StartFailed, match=r"need 1073741824 MiB, available are \d+ MiB") as failed:
        asyncio.run(engine.apply(DEFAULT))

    assert failed.value.reason == "out_of_memory"
    assert list(tmp_path.iterdir()) == []


def test_what_fits_is_let_through() -> None:
    """Exactly as much as there is fits, and an unknown model is never refused."""
    needed = needed_bytes(SMOLLM2, DEFAULT)

    ensure_fits(SMOLLM2, DEFAULT, needed)
    ensure_fits(MODEL, DEFAULT, 0)
    with pytest.raises(StartFailed):
        ensure_fits(SMOLLM2, DEFAULT, needed - 1)


@pytest.mark.embedded
def test_the_default_model_tells_its_size() -> None:
    """The packaged model's own file gives weights and cache."""
    model = from_gguf(default_path())

    assert model.weights_bytes == default_path().stat().st_size
    assert model.cached_per_token == SMOLLM2.cached_per_token


def test_the_cache_of_a_token_follows_from_the_metadata() -> None:
    """30 layers x 3 KV heads x (64 + 64) x 2 bytes, as for SmolLM2-135M."""
    assert f16_bytes_per_token(gguf_files.LLAMA) == 23_040


def test_heads_may_differ_by_layer_and_lengths_be_given() -> None:
    """Lists count layer by layer; key and value lengths win over the embedding's."""
    facts = dict(gguf_files.LLAMA) | {
        "llama.attention.head_count_kv": [0, 2, 4],
        "llama.attention.key_length": 128,
        "llama.attention.value_length": 32,
    }

    assert f16_bytes_per_token(facts) == 2 * 6 * 160


@pytest.mark.parametrize(
    "changes",
    [
        {"general.architecture": "other"},
        {"llama.attention.head_count": 0},
        {"llama.embedding_length": "wide"},
        {"llama.block_count": None, "llama.attention.head_count_kv": None},
        {"llama.attention.key_length": "long"},
    ],
)
def test_metadata_that_does_not_tell_gives_none(changes: dict[str, Any]) -> None:
    """A file that lacks a number, or has another type for it, bounds no context."""
    assert f16_bytes_per_token(dict(gguf_files.LLAMA) | changes) is None
