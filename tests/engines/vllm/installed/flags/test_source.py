"""What the source of vLLM says, read without running any of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engines.vllm.installed.flags.known import NUMBERS, VARIABLES
from tuner.engines.vllm.installed.flags.source import declared_numbers, known_variables


def test_numbers_are_told_by_their_annotations() -> None:
    """Whole ones and fractions, also those that may be None, and the items of lists."""
    text = (
        "class EngineArgs:\n"
        "    max_num_seqs: int | None = None\n"
        "    watermark: float = X.watermark\n"
        "    sizes: list[int] | None = None\n"
        "    device_ids: list[int | str] | None = None\n"
        "    port: Optional[int] = None\n"
        "    model: str = 'a'\n"
    )

    assert declared_numbers(text) == {
        "--max-num-seqs": "integer",
        "--watermark": "number",
        "--sizes": "integer",
        "--port": "integer",
    }


def test_what_was_recorded_is_read() -> None:
    """The engine's and the server's own, and every variable."""
    assert NUMBERS["--max-num-active-seqs"] == NUMBERS["--max-log-len"] == "integer"
    assert NUMBERS["--kv-offloading-size"] == "number"
    assert VARIABLES is not None
    assert {"VLLM_CPU_KVCACHE_SPACE", "VLLM_ENABLE_STARTUP_PLAN", "NO_COLOR"} <= VARIABLES
    assert len(VARIABLES) == 316


@pytest.mark.parametrize(
    "text",
    ["", "x = 1", "def broken(:", "\0", "environment_variables = f()", "class EngineArgs: ..."],
)
def test_another_source_tells_nothing(text: str) -> None:
    """Unknown is None, or no entry, and nothing is raised."""
    assert declared_numbers(text) == {}
    assert known_variables(text) is None


@given(st.text())
def test_any_text_is_read_or_tells_nothing(text: str) -> None:
    """Nothing is raised, whatever the file holds."""
    declared_numbers(text, f"class EngineArgs:\n    a: {text}")
    known_variables(f"environment_variables = {{{text}}}")
