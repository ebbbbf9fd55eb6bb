"""A server's options: said in vLLM's own file and on the command line alike."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import replace

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.engines.vllm.emitted.services import MODULE, ON_CPUS, PROGRAM, written
from tuner.engines.vllm.emitted.check import script_words
from tuner.engines.vllm.settings.arguments import FlagValue, arguments
from tuner.spec.errors import InputError

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
WORDS = TEXTS.filter(lambda text: not text.startswith("-"))
NUMBERS = st.integers() | st.floats(min_value=0, allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXTS, inner, max_size=2),
)
MAPPINGS = st.dictionaries(TEXTS, JSON, max_size=2)
FLAGS = st.dictionaries(
    st.from_regex(r"[a-z]{2,4}(-[a-z0-9]{1,3}){0,2}(\.[a-z_]{1,4})?", fullmatch=True),
    st.booleans() | NUMBERS | WORDS | st.lists(WORDS | NUMBERS | MAPPINGS, max_size=3) | MAPPINGS,
    max_size=4,
)


def words_of_file(text: str) -> Iterator[str]:
    """Yield the words that vLLM makes from a file, as `vllm serve` does.

    Source: FlexibleArgumentParser.load_config_file, where a false is dropped as the parser that
    reads the file knows no option of the server.
    """
    for name, value in yaml.safe_load(text).items():
        if isinstance(value, bool):
            yield from (f"--{name}",) if value else ()
        elif isinstance(value, list):
            yield from (f"--{name}", *map(str, value)) if value else ()
        elif isinstance(value, dict):
            yield from (f"--{name}", json.dumps(value))
        else:
            yield from (f"--{name}", str(value))


@given(FLAGS)
def test_the_file_says_what_the_command_line_says(flags: dict[str, FlagValue]) -> None:
    """Whatever an option is set to, vLLM makes the same words of the file."""
    service = replace(ON_CPUS, program=MODULE, flags=flags)
    config = written(service)["vllm.yaml"]

    assert list(words_of_file(config)) == service.command(program=())


@given(FLAGS)
def test_a_shell_starts_the_server_with_the_same_words(flags: dict[str, FlagValue]) -> None:
    """Quotes, dollars, line breaks and other letters in the script are data, never syntax."""
    service = replace(ON_CPUS, program=PROGRAM, flags=flags)

    assert script_words(service, written(service)["serve.sh"]) == service.command(
        program=("serve",)
    )


def test_options_are_written_as_vllm_takes_them() -> None:
    """Plain numbers, switches both ways, lists as words, parts and mappings as JSON."""
    flags: dict[str, FlagValue] = {
        "max-num-batched-tokens": 8192, "gpu-memory-utilization": 0.9, "max-model-len": -1,
        "enforce-eager": True, "enable-prefix-caching": False, "api-server-count": "2",
        "lora-modules": ["a=/b", {"name": "c", "path": "/d"}], "chat-template": "/a b/it's.jinja",
        "hf-overrides": {"rope": None}, "compilation-config.mode": 3,
        "compilation-config.pass_config": {"on": True}, "compilation-config.eager": False,
        "kv-cache-dtype-skip-layers": [],
    }  # fmt: skip

    assert arguments(flags) == [
        "--max-num-batched-tokens", "8192", "--gpu-memory-utilization", "0.9",
        "--max-model-len", "-1", "--enforce-eager", "--no-enable-prefix-caching",
        "--api-server-count", "2", "--lora-modules", "a=/b", '{"name": "c", "path": "/d"}',
        "--chat-template", "/a b/it's.jinja", "--hf-overrides", '{"rope": null}',
        "--compilation-config.mode", "3", "--compilation-config.pass_config", '{"on": true}',
        "--compilation-config.eager", "false",
    ]  # fmt: skip


def test_a_switch_that_is_off_is_no_false() -> None:
    """`vllm serve` drops a false from its file without a word."""
    text = written(replace(ON_CPUS, flags={"enable-prefix-caching": False}))["vllm.yaml"]

    assert "no-enable-prefix-caching: true" in text.splitlines()


@pytest.mark.parametrize("value", ["--other", "-x", "-0.5", -0.5, ["a", "-b"], -math.inf])
def test_a_word_that_vllm_takes_for_an_option_is_refused(value: FlagValue) -> None:
    """The error names the option, the word and what to do."""
    with pytest.raises(InputError, match=r"--chat-template: vllm.yaml cannot hold '?-"):
        arguments({"chat-template": value})


def test_a_negative_whole_number_is_none_of_them() -> None:
    """As a number or as a text: -1 stands for the largest length that fits."""
    assert arguments({"max-model-len": "-1"}) == arguments({"max-model-len": -1})


def test_the_model_stands_where_the_program_takes_it() -> None:
    """`vllm serve` takes it as its first word; the module ignores one that is there."""
    serve, module = (replace(ON_CPUS, program=p, flags={}) for p in (PROGRAM, MODULE))

    assert serve.command()[:4] == [*PROGRAM, "/models/smol", "--host"]
    assert module.command()[:6] == [*MODULE, "--model", "/models/smol", "--host"]
