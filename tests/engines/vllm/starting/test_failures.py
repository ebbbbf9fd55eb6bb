"""A failed start is typed by what its log says, wherever in it that stands."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tuner.testing
from tests.engines.vllm.starting.texts import CASCADE, CORE, TEXTS, value_error
from tuner.engines.vllm.starting.failure_kinds import KINDS, RULES
from tuner.engines.vllm.starting.failures import LONGEST_CAUSE, read_failure
from tuner.spec.errors import StartReason

RECORDED = Path(__file__).parent / "recorded"
OF_OTHERS = Path(tuner.testing.__file__).parent / "recorded"

PUBLISHED = {
    "taken-memory": ("taken_memory", "cuda:1 (60.87/79.19 GiB) on startup is less than", None),
    "gated": ("gated", "403 Client Error: Forbidden for url", None),
    "unsupported-model": ("unsupported_model", "model type `gemma4`", None),
    "long-requests": ("long_requests", "User-specified max_model_len (8192) is greater", 2048),
    "sampler-memory": ("sampler_memory", "warming up sampler with 1024 dummy requests", None),
    "vocabulary": ("parallel", "151936 is not divisible by 5", None),
    "too-few-gpus": ("parallel", "local rank 1 is out of bounds", None),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_failures_have_their_type(name: str) -> None:
    """Logs of servers that others started are typed by their first cause."""
    kind, cause, longest = PUBLISHED[name]
    found = read_failure((RECORDED / f"published-{name}.log").read_text(), 1)

    assert found is not None
    assert (found.kind.name, found.longest) == (kind, longest)
    assert cause in found.message


@pytest.mark.parametrize("case", TEXTS)
def test_what_the_source_raises_has_its_type(case: str) -> None:
    """Each text gives a type, and the cause in vLLM's words with the next step."""
    text, kind, said = TEXTS[case]
    found = read_failure(f"{text}\n{CASCADE}\n", 1)

    assert found is not None
    assert found.kind.name == kind
    assert said in found.message
    assert "\n" not in found.message
    assert "type=" not in found.message


def test_a_cache_that_is_too_small_says_what_length_would_do() -> None:
    """The log's estimate narrows the space of the search."""
    text = (
        f"{CORE}ValueError: To serve at least one request with the model's max seq len (32768), "
        "(4.0 GiB KV cache is needed, which is larger than the available KV cache memory (1.5 GiB)."
        " Based on the available memory, the estimated maximum model length is 12288. Try "
        "increasing `gpu_memory_utilization` or decreasing `max_model_len`."
    )
    found = read_failure(f"{text}\n{CASCADE}", 1)

    assert found is not None
    assert (found.kind.name, found.reason, found.longest) == ("short_cache", "out_of_memory", 12288)
    assert found.message.endswith("; take a max_model_len of at most 12288")


def test_the_greater_of_two_limits_of_a_model_counts() -> None:
    """A model may state a length of its own above its positions, which vLLM allows."""
    text = (
        "User-specified max_model_len (9000) is greater than the derived max_model_len "
        "(max_position_embeddings=2048.0 or model_max_length=8192 in model's config.json)."
    )
    found = read_failure(value_error("ModelConfig", text), 1)

    assert found is not None
    assert found.longest == 8192


def test_the_first_process_to_fail_says_why() -> None:
    """What follows from it in other processes, and hundreds of lines later, does not count."""
    text = "\n".join(
        [f"{CORE}ValueError: No available memory for the cache blocks.", CASCADE * 300]
    )

    found = read_failure(text, 1)

    assert found is not None
    assert found.kind.name == "no_cache"


def test_another_process_s_lines_are_no_part_of_a_message() -> None:
    """Lines of two processes alternate in a log."""
    text = (
        "(Worker pid=1) ValueError: Unknown dtype: 'float8'\n"
        "(Worker pid=2) INFO 11-30 11:21:50 [a.py:1] something else\n"
    )
    found = read_failure(text, 1)

    assert found is not None
    assert found.cause == "Unknown dtype: 'float8'"


@pytest.mark.parametrize("colour", ["", "\x1b[1;36m"])
def test_colours_of_a_terminal_do_not_hide_a_cause(colour: str) -> None:
    """A log that was written to a terminal has them around the names of processes."""
    reset = "\x1b[0;0m" if colour else ""
    text = (
        f"{colour}(EngineCore pid=7){reset} ValueError: No available memory for the cache blocks."
    )
    found = read_failure(text, 1)

    assert found is not None
    assert found.kind.name == "no_cache"


@pytest.mark.parametrize("name", ["cpu-good.log", "published-good.log", "published-arguments.log"])
def test_a_start_that_went_well_is_no_failure(name: str) -> None:
    """Not even where requests failed later, as their errors stand in the same log."""
    assert read_failure((RECORDED / name).read_text()) is None


def test_the_log_of_another_engine_is_no_failure() -> None:
    """llama.cpp's start has no line that is taken for one of vLLM's."""
    assert read_failure((OF_OTHERS / "startup.log").read_text()) is None


def test_a_server_that_says_nothing_still_has_a_type() -> None:
    """A signal or a code of exit is all there is; without one there is no failure."""
    killed, ended = read_failure("", -9), read_failure("", 3)

    assert killed is not None and killed.kind.name == "killed"
    assert ended is not None and ended.kind.name == "crashed"
    assert read_failure("") is None


def test_each_kind_is_sorted_as_other_rooms_know_it() -> None:
    """Reasons are those of StartFailed, and every kind names a next step."""
    assert {k.reason for k in KINDS.values()} <= set(get_args(StartReason))
    assert all(k.means and k.next_step for k in KINDS.values())
    assert {name for name, _ in RULES} <= KINDS.keys()


_WORDS = st.sampled_from([
    "(EngineCore pid=1) ", "ValueError: ", "out of memory", "\n", " [type=", "Value error, ", ": ",
    "1 validation error for X", "  Input should be", "derived max_model_len (a=1 or", "Error",
    "\x00",
    "is less than Free memory on device", "estimated maximum model length is ", "9" * 30, ". A",
])  # fmt: skip


@given(st.lists(_WORDS | st.text(max_size=5)).map("".join), st.none() | st.integers(-20, 255))
def test_any_text_is_typed_or_no_failure(log: str, exit_code: int | None) -> None:
    """Nothing in a log raises, and no message grows beyond what is shown."""
    found = read_failure(log, exit_code)

    if found is not None:
        assert found.kind is KINDS[found.kind.name]
        assert len(found.cause) <= LONGEST_CAUSE
