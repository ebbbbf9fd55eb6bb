"""A page of metrics is read as far as it tells, and what it does not tell is unknown."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.engines.vllm.running.metrics import Gauges, Grown, Page, grown, read_gauges, read_page

RECORDED = Path(__file__).parent / "recorded"
BEFORE, AFTER = ((RECORDED / f"{name}.txt").read_text() for name in ("before", "after"))
"""Pages of vLLM 0.32: after its start, and after 28 requests of which eight at a time could run."""

ONE = (
    'vllm:num_requests_running{{engine="{engine}",model_name="m"}} {running}\n'
    'vllm:num_requests_waiting_by_reason{{engine="{engine}",model_name="m",reason="capacity"}} 3\n'
    'vllm:num_requests_waiting_by_reason{{engine="{engine}",model_name="m",reason="deferred"}} 1\n'
    'vllm:num_requests_waiting{{engine="{engine}",model_name="m"}} 4\n'
    'vllm:kv_cache_usage_perc{{engine="{engine}",model_name="m"}} 0.25\n'
    'vllm:num_preemptions_total{{engine="{engine}",model_name="m"}} {preemptions}\n'
    'vllm:cache_config_info{{block_size="16",cache_dtype="fp8",engine="{engine}",'
    'num_gpu_blocks="{blocks}"}} 1.0\n'
)


def page(text: str) -> Page:
    """Return a page on which something is told."""
    found = read_page(text)
    assert found is not None
    return found


def one(engine: int = 0, running: str = "2", preemptions: str = "5", blocks: int = 100) -> str:
    """Return the lines of one engine."""
    return ONE.format(engine=engine, running=running, preemptions=preemptions, blocks=blocks)


def test_recorded_pages_tell_what_happened_between_them() -> None:
    """28 requests waited as long as they were served, and no block was short."""
    totals = grown(page(BEFORE), page(AFTER)).totals

    assert (totals["requests"], totals["preemptions"], totals["prefix_hits"]) == (28, 0, 0)
    assert totals["queue_s"] == pytest.approx(597.03, abs=0.01)
    assert totals["prefill_s"] + totals["decode_s"] == pytest.approx(593.86, abs=0.01)
    assert (totals["prompt_tokens"], totals["generation_tokens"]) == (1166, 1371)
    assert (totals["steps"], totals["step_tokens"]) == (241, 2537)
    assert totals["rejected_max_num_queued_reqs"] == 0
    assert totals["prompts_up_to_50.0"] == 28


def test_the_cache_s_settings_are_those_in_force() -> None:
    """They come as Python writes them; what is None is not set."""
    settings = page(AFTER).settings

    assert settings["num_gpu_blocks"] == 364
    assert settings["kv_cache_size_tokens"] == 46592
    assert settings["gpu_memory_utilization"] == 0.92
    assert settings["enable_prefix_caching"] is True
    assert settings["cache_dtype"] == "auto"
    assert settings.keys().isdisjoint({"num_gpu_blocks_override", "engine"})


def test_gauges_are_read_alone_as_with_the_page() -> None:
    """The short way and the long one say the same, waiting by its reason."""
    assert read_gauges(one()) == page(one()).gauges == Gauges(2, 3, 1, 0.25)


def test_an_older_page_tells_how_many_wait_without_saying_why() -> None:
    """Without reasons all that wait count as waiting for capacity."""
    old = "".join(line for line in one().splitlines(keepends=True) if "reason" not in line)

    assert read_gauges(old) == Gauges(2, 4, None, 0.25)


def test_several_engines_count_together() -> None:
    """Numbers of requests add up, shares are averaged, settings are those that all agree in."""
    both = page(one() + one(1, "6", "7", blocks=50))

    assert both.gauges == Gauges(8, 6, 2, 0.25)
    assert (both.engines, both.totals["preemptions"]) == (2, 12)
    assert both.settings == {"block_size": 16, "cache_dtype": "fp8"}


def test_what_one_engine_lacks_is_unknown() -> None:
    """The sum over the others would be too small."""
    half = "".join(line for line in one(1).splitlines(keepends=True) if "preempt" not in line)

    assert "preemptions" not in page(one() + half).totals


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-1", "1_0", "many", "", "9" * 400])
def test_what_is_no_number_is_unknown(value: str) -> None:
    """A value that is not finite or below zero tells nothing; the other lines still do."""
    found = page(one(running=value, preemptions=value))

    assert (found.gauges.running, found.gauges.waiting) == (None, 3)
    assert found.totals == {}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n",
        "<!doctype html><title>vllm:num_requests_running</title>\n",
        '{"detail": "Not Found"}\n',
        'process_start_time_seconds 1.0\nllamacpp:requests_processing{a="b"} 1\n',
        'vllm:num_requests_running{engine="0" 3\nvllm:{ 4\nvllm:x{a=b} 1\n',
    ],
)
def test_other_pages_tell_nothing(text: str) -> None:
    """HTML, JSON, another server's metrics and lines that are none give no page."""
    assert read_page(text) is None
    assert read_gauges(text) == Gauges()


def test_a_page_that_was_cut_loses_its_last_line_only() -> None:
    """Half of a number is none: of 12 that became 1 nothing is believed."""
    cut = one() + 'vllm:prompt_tokens_total{engine="0",model_name="m"} 1'

    assert "prompt_tokens" not in page(cut).totals
    assert page(cut).totals["preemptions"] == 5


def test_counters_that_went_back_tell_of_another_server() -> None:
    """No growth is below zero, and none is told; so it is where the server's start is another."""
    assert grown(page(one(preemptions="5")), page(one(preemptions="2"))) == Grown({}, True)
    later = AFTER.replace("process_start_time_seconds 1.7", "process_start_time_seconds 1.8")
    assert later != AFTER
    assert grown(page(BEFORE), page(later)).restarted


def test_pages_of_unlike_engines_are_not_subtracted() -> None:
    """One more engine on the second page is no growth of the first."""
    assert grown(page(one()), page(one() + one(1))) == Grown({})


def test_only_what_both_pages_tell_has_grown() -> None:
    """A counter that appears later may have begun before it was seen."""
    fewer = re.sub(r"vllm:num_preemptions_total.*\n", "", AFTER)

    assert "preemptions" not in grown(page(fewer), page(AFTER)).totals
    assert "preemptions" not in grown(page(BEFORE), page(fewer)).totals


def test_speculation_is_told_by_position() -> None:
    """Drafts, their tokens, and how many were accepted at each position."""
    told = {
        "drafts_total{": 10,
        "draft_tokens_total{": 30,
        "accepted_tokens_total{": 12,
        'accepted_tokens_per_pos_total{position="0",': 8,
        'accepted_tokens_per_pos_total{position="1",': 4,
    }
    lines = "".join(
        f'vllm:spec_decode_num_{name}engine="0",model_name="m"}} {count}\n'
        for name, count in told.items()
    )

    assert page(lines).totals == {
        "drafts": 10, "draft_tokens": 30, "accepted_tokens": 12, "accepted_at_0": 8,
        "accepted_at_1": 4,
    }  # fmt: skip


pieces = st.sampled_from(AFTER.splitlines()) | st.text(max_size=30)
garbled = st.builds(
    lambda line, at, put: line[:at] + put + line[at:],
    pieces,
    st.integers(0, 80),
    st.text(alphabet='{}",=\\ \t#vllm:0e+NaIf_', max_size=6),
)


@given(st.lists(garbled, max_size=12), st.integers(0, 400))
def test_no_page_raises(lines: list[str], cut: int) -> None:
    """Whatever a page holds, what is told is finite, and growth is never below zero."""
    text = "\n".join(lines)
    found = [read_page(text), read_page(text[:cut]), page(AFTER)]
    read_gauges(text)

    for before in filter(None, found):
        for after in filter(None, found):
            assert all(v >= 0 for v in grown(before, after).totals.values())
