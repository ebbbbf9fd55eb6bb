"""What a candidate amounts to: duplicates, notes, refusals, with and without vLLM's resolver."""

from __future__ import annotations

import pytest

from tuner.engines.base import Resolution
from tuner.engines.vllm.preflight import resolution
from tuner.engines.vllm.preflight.resolver import Answer
from tuner.engines.vllm.settings.knobs import knobs
from tuner.spec.values import Setting

VALUES = {
    "scheduler.max_num_seqs": 8,
    "scheduler.max_num_batched_tokens": 512,
    "scheduler.max_num_active_seqs": None,
    "scheduler.long_prefill_token_threshold": 0,
    "scheduler.async_scheduling": False,
    "cache.kv_cache_memory_bytes": None,
    "cache.gpu_memory_utilization": 0.92,
    "compilation.max_cudagraph_capture_size": 40,
}


def candidate(**settings: Setting) -> dict[str, Setting]:
    """Return a whole candidate with a few settings."""
    return {name: knob.default for name, knob in knobs("model").items()} | settings


def of(values: dict[str, object], **settings: Setting) -> Resolution:
    """Return what vLLM's values amount to for a candidate."""
    return resolution.of_answer(candidate(**settings), Answer({**VALUES, **values}, "hash"), {})


def by_rules(**settings: Setting) -> Resolution:
    """Return what a candidate amounts to without vLLM."""
    return resolution.by_rules(candidate(**settings), {}, "it is not there")


def test_what_is_cut_is_named_and_shared() -> None:
    """Requested and resolved stand side by side; both come to one server."""
    asked = of({}, max_cudagraph_capture_size=42)

    assert asked.identity == of({}, max_cudagraph_capture_size=40).identity
    assert "max_cudagraph_capture_size: asked for 42, vLLM makes it 40" in asked.notes
    assert of({}, max_cudagraph_capture_size=40).notes == ()


def test_what_is_overridden_is_named() -> None:
    """async_scheduling on a CPU is switched off by vLLM itself."""
    assert of({}, async_scheduling=True).notes == (
        "async_scheduling: asked for True, vLLM makes it False",
    )


def test_a_setting_that_vllm_drops_is_named() -> None:
    """A value of which nothing is left has no effect."""
    dropped = of({"compilation.max_cudagraph_capture_size": None}, max_cudagraph_capture_size=64)

    assert dropped.notes == (
        "max_cudagraph_capture_size: asked for 64, without effect beside the other settings",
    )


@pytest.mark.parametrize("threshold", [512, 9000])
def test_a_threshold_that_no_step_reaches_is_none(threshold: int) -> None:
    """long_prefill_token_threshold at or above the batch comes to the same as 0."""
    value = {"scheduler.long_prefill_token_threshold": threshold}

    assert of(value).identity == of({}).identity
    assert of({"scheduler.long_prefill_token_threshold": 511}).identity != of({}).identity


def test_a_cap_at_the_limit_is_none() -> None:
    """max_num_active_seqs equal to max_num_seqs caps nothing."""
    assert of({"scheduler.max_num_active_seqs": 8}).identity == of({}).identity
    assert of({"scheduler.max_num_active_seqs": 4}).identity != of({}).identity


def test_the_share_of_memory_is_inert_beside_a_size() -> None:
    """With kv_cache_memory_bytes the cache no longer follows from the share."""
    sized = {"cache.kv_cache_memory_bytes": 10**9}

    assert of({**sized, "cache.gpu_memory_utilization": 0.5}).identity == of(sized).identity
    assert of({"cache.gpu_memory_utilization": 0.5}).identity != of({}).identity


def test_variables_of_the_environment_count() -> None:
    """What vLLM's configuration does not hold still makes another server."""
    here = resolution.of_answer(candidate(), Answer(VALUES, "h"), {"VLLM_CPU_X": "1"})

    assert here.identity != of({}).identity


def test_a_refusal_has_no_identity() -> None:
    """What vLLM refuses is served by nothing."""
    refused = resolution.of_answer(candidate(), Answer(refused="too long"), {})

    assert (refused.identity, refused.refused) == (None, "too long")


@pytest.mark.parametrize(
    "settings",
    [
        {"max_num_seqs": 64, "max_num_batched_tokens": 32},
        {"max_num_active_seqs": 9, "max_num_seqs": 8},
        {"long_prefill_token_threshold": 4096, "max_model_len": 2048},
    ],
)
def test_rules_refuse_what_vllm_refuses(settings: dict[str, Setting]) -> None:
    """Where vLLM cannot be asked, its constraints are known, and the result says so."""
    found = by_rules(**settings)

    assert found.refused is not None
    assert found.notes == ("vLLM's resolver was not asked: it is not there",)


def test_rules_know_what_is_compiled() -> None:
    """The scheduler's caps compile nothing; the batch does."""
    base = by_rules(max_num_seqs=8)

    assert base.compiled == by_rules(max_num_seqs=8, scheduling_policy="priority").compiled
    assert base.compiled != by_rules(max_num_seqs=16).compiled
    assert base.identity != by_rules(max_num_seqs=8, scheduling_policy="priority").identity


def test_sampling_is_no_part_of_a_server() -> None:
    """Requests with other settings need no other server."""
    assert by_rules(temperature=0.5).identity == by_rules().identity


def test_draft_tokens_without_drafts_change_nothing() -> None:
    """Where nobody drafts, how many tokens does not matter."""
    assert by_rules(draft_tokens=5).identity == by_rules().identity
    assert by_rules(draft_tokens=5, speculation="ngram").identity != by_rules().identity
