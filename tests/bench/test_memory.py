"""The estimate of vLLM's memory on recorded starts of other machines."""

from __future__ import annotations

from statistics import fmean

import pytest

from bench import memory
from tuner.engines.vllm.memory.activation import MEASURED


def test_shapes_that_no_fit_has_seen_are_within_the_goal() -> None:
    """The mean absolute error of the cache is under 6.7 % over at least forty starts."""
    rows = memory.held_out(memory.read())
    errors = [abs(r.error("kv_cache_gib")) for r in rows]

    assert len(rows) >= 40
    assert fmean(errors) < 0.01
    assert max(errors) < 0.067


def test_the_constants_are_those_of_the_recorded_starts() -> None:
    """What ships is what the bench computes, so neither changes alone."""
    assert memory.fitted(memory.read()) == MEASURED


def test_no_start_helps_to_estimate_a_model_of_its_shape() -> None:
    """Another answer of the log of one shape moves no estimate of that shape."""
    runs = memory.read()
    spoiled = [
        run if run.family != runs[0].family else
        memory.Run(run.model, run.facts, run.weights, run.settings, run.gpu_bytes,
                   {**run.said, "activation_gib": 50.0, "non_torch_gib": 9.0})
        for run in runs
    ]  # fmt: skip

    before = memory.held_out(runs)[0].estimated
    assert memory.held_out(spoiled)[0].estimated == before


def test_a_model_s_own_log_is_at_least_as_good_as_the_estimate() -> None:
    """Starts of one model on like GPUs differ by no more than their first log corrects."""
    plain, better = zip(*memory.after_first_log(memory.read()), strict=True)

    assert fmean(abs(r.error("kv_cache_gib")) for r in better) <= fmean(
        abs(r.error("kv_cache_gib")) for r in plain
    )


def test_the_recorded_parts_add_up() -> None:
    """Memory asked for, less weights, activations and the rest, is the cache that was logged."""
    for run in memory.read():
        if run.settings.pipeline_parallel == 1:
            said = run.said
            asked = 79.19 * run.settings.gpu_memory_utilization
            parts = said["weights_gib"] + said["activation_gib"] + said["non_torch_gib"]
            assert asked - parts == pytest.approx(said["kv_cache_gib"], abs=0.03)
