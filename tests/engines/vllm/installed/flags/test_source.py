"""What the source of vLLM says, read without running any of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engines.vllm.installed.flags.known import SOURCE, VARIABLES
from tuner.engines.vllm.installed.flags.source import Declared, declared, known_variables


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

    assert declared(text).numbers == {
        "--max-num-seqs": "integer",
        "--watermark": "number",
        "--sizes": "integer",
        "--port": "integer",
    }


def test_a_key_is_told_with_the_config_that_its_value_is() -> None:
    """One that may be None too; dictionaries and a config's own fields are not looked into."""
    text = (
        "class PassConfig:\n    enable_sp: bool = False\n"
        "class CompilationConfig:\n"
        "    pass_config: PassConfig | None = None\n"
        "    others: dict[str, PassConfig] = {}\n"
        "    _own: int = 0\n"
    )

    assert declared(text).keys == {
        "PassConfig": {"enable_sp": None},
        "CompilationConfig": {"pass_config": "PassConfig", "others": None},
    }


def test_what_was_recorded_is_read() -> None:
    """The engine's and the server's own, and every variable."""
    numbers = SOURCE.numbers
    assert numbers["--max-num-active-seqs"] == numbers["--max-log-len"] == "integer"
    assert numbers["--kv-offloading-size"] == "number"
    assert SOURCE.keys["CompilationConfig"]["pass_config"] == "PassConfig"
    assert SOURCE.keys["CompilationConfig"]["inductor_compile_config"] is None
    assert VARIABLES is not None
    assert {"VLLM_CPU_KVCACHE_SPACE", "VLLM_ENABLE_STARTUP_PLAN", "NO_COLOR"} <= VARIABLES
    assert len(VARIABLES) == 316


@pytest.mark.parametrize(
    "text",
    ["", "x = 1", "def broken(:", "\0", "environment_variables = f()", "class EngineArgs: ..."],
)
def test_another_source_tells_nothing(text: str) -> None:
    """Unknown is None, or no entry, and nothing is raised."""
    assert declared(text) == Declared()
    assert known_variables(text) is None


@given(st.text())
def test_any_text_is_read_or_tells_nothing(text: str) -> None:
    """Nothing is raised, whatever the file holds."""
    declared(text, f"class EngineArgs:\n    a: {text}\nclass AConfig:\n    b: {text}")
    known_variables(f"environment_variables = {{{text}}}")
