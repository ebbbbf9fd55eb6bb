"""What vLLM 0.32 itself answered, recorded on a machine without a GPU (`recorded/`)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tuner.engines.base import Resolution
from tuner.engines.vllm.preflight import resolution
from tuner.engines.vllm.preflight.resolver import answer_of
from tuner.engines.vllm.settings.knobs import knobs
from tuner.spec.values import Setting

LINES = (Path(__file__).parent / "recorded" / "answers-0.32.0.jsonl").read_text().splitlines()
RECORDED = {
    " ".join(r["question"]["words"][1:]): r["answer"]
    for r in map(json.loads, LINES)
    if r["question"]["words"][0] == "MODEL"
}
BATCH = "--max-num-seqs 8 --max-num-batched-tokens 512"


def of(words: str, **settings: Setting) -> Resolution:
    """Return what a recorded answer amounts to for a candidate."""
    candidate = {name: knob.default for name, knob in knobs("MODEL").items()} | settings
    return resolution.of_answer(candidate, answer_of(RECORDED[words]), {})


def test_flags_that_are_not_set_come_to_vllms_defaults() -> None:
    """On a CPU 128 requests and 2048 tokens; nothing is said of what nobody asked for."""
    found = of("")

    assert found.settings["max_num_seqs"] == 128
    assert found.settings["max_num_batched_tokens"] == 2048
    assert found.settings["block_size"] == 128


def test_prefix_caching_compiles_nothing_new() -> None:
    """Another server, but a warm start of it."""
    base, without = of(BATCH), of(f"{BATCH} --no-enable-prefix-caching")

    assert base.compiled == without.compiled
    assert base.identity != without.identity


def test_asynchronous_scheduling_comes_to_nothing_on_a_cpu() -> None:
    """VLLM switches it off: the candidate is that without it, and the note says so."""
    asked = of(f"{BATCH} --async-scheduling", async_scheduling=True)

    assert asked.identity == of(BATCH).identity
    assert asked.notes[0] == "async_scheduling: asked for True, vLLM makes it False"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            f"{BATCH} --long-prefill-token-threshold 9000",
            "long_prefill_token_threshold (9000) cannot be greater than the max_model_len (8192).",
        ),
        (
            "--max-num-seqs 8 --max-num-batched-tokens 4",
            "max_num_batched_tokens (4) must be greater than or equal to max_num_seqs (8).",
        ),
        ("--max-num-partial-prefills 4", "unrecognized arguments: --max-num-partial-prefills 4"),
    ],
)
def test_refusals_are_sentences(words: str, said: str) -> None:
    """VLLM's own words, without the frame of the libraries that raise them."""
    assert of(words).refused == said


def test_a_context_beyond_the_models_is_refused() -> None:
    """The derived maximum is told."""
    refused = of("--max-model-len 100000").refused

    assert refused is not None
    assert "greater than the derived max_model_len (max_position_embeddings=8192" in refused


def test_how_many_tokens_are_drafted_compiles_nothing_new_on_a_cpu() -> None:
    """K is no part of the hash there; whether anybody drafts is."""
    three, five = (_drafting(k) for k in (3, 5))

    assert three.compiled == five.compiled != of("").compiled
    assert three.identity != five.identity
    assert any("Async scheduling not supported" in note for note in three.notes)


def _drafting(k: int) -> Resolution:
    said: dict[str, Any] = {"method": "ngram", "num_speculative_tokens": k, "prompt_lookup_max": 4}
    words = json.dumps(said, separators=(",", ":"))
    return of(f"--speculative-config {words}", speculation="ngram", draft_tokens=k)


def test_a_preset_comes_to_numbers() -> None:
    """performance_mode doubles what nobody set, and is a name for that alone."""
    preset = of("--performance-mode throughput")

    assert preset.settings["max_num_seqs"] == 256
    assert preset.settings["max_num_batched_tokens"] == 4096
