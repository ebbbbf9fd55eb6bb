"""The settings of the environment, of which vLLM itself only warns."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engines.vllm.installed.flags.known import VARIABLES, VERSION
from tuner.engines.vllm.installed.flags.variables import UNSET, checked_environment, unread
from tuner.spec.errors import InputError


def test_known_variables_and_those_of_others_pass() -> None:
    """Whatever does not begin like vLLM's, or belongs to a package beside it."""
    given = {
        "VLLM_CPU_OMP_THREADS_BIND": "0-1",
        "VLLM_OMNI_TARGET_DEVICE": "cpu",
        "HF_HOME": "/models",
        "OMP_NUM_THREADS": "2",
    }

    assert checked_environment(given, VARIABLES, VERSION).variables == given


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("VLLM_USE_V1", "which 0.11.1 took out; leave it out: V1 is the only engine (vllm#28204)"),
        ("VLLM_ATTENTION_BACKEND", "which 0.15.0 took out; write --attention-backend"),
        ("VLLM_CPU_KV_CACHE_SPACE", "did you mean VLLM_CPU_KVCACHE_SPACE?"),
        ("VLLM_CPU_MOE_PREPACK", "which 0.12.0 took out"),
        ("VLLM_CHAT_TEMPLATE_FUEL", "which came with 0.33.0"),
        ("VLLM_NOBODY_READS_IT", "no release from 0.8.5 to 0.33.0 knows it"),
    ],
)
def test_a_variable_that_is_never_read_is_refused(name: str, sentence: str) -> None:
    """Else it would be measured as if it were in force."""
    with pytest.raises(InputError) as refused:
        checked_environment({name: "1"}, VARIABLES, VERSION)

    assert sentence in str(refused.value)


def test_what_would_make_measurements_untrue_is_taken_away() -> None:
    """A start-up plan keeps the first KV size; the reason is told."""
    read = checked_environment(
        {"VLLM_ENABLE_STARTUP_PLAN": "1", "VLLM_LOGGING_LEVEL": "INFO"}, VARIABLES, VERSION
    )

    assert read.variables == {"VLLM_LOGGING_LEVEL": "INFO"}
    assert "KV size of the first start" in read.unset["VLLM_ENABLE_STARTUP_PLAN"]
    assert VARIABLES is not None
    assert set(UNSET) <= VARIABLES


def test_without_a_list_nothing_is_refused() -> None:
    """Unknown is not wrong."""
    assert unread("VLLM_USE_V1", None, VERSION) is None


@given(st.dictionaries(st.text() | st.just("VLLM_X"), st.text()))
def test_any_environment_is_taken_or_refused(env: dict[str, str]) -> None:
    """Nothing but InputError is raised."""
    with contextlib.suppress(InputError):
        checked_environment(env, VARIABLES, VERSION)
