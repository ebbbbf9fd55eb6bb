"""What is quoted is read as it is: by YAML, by systemd, by compose and Kubernetes."""

from __future__ import annotations

import math

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.engines.units import words_of
from tuner.engines.quoting import (
    for_compose,
    for_systemd,
    for_yaml,
    systemd_command,
    yaml_name,
)

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
NUMBERS = st.integers() | st.floats(allow_nan=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
)


@given(VALUES)
def test_any_value_is_one_line_of_yaml(value: object) -> None:
    """It is read back as it was, and a comment may follow it."""
    text = for_yaml(value)

    assert text.splitlines() == [text]
    assert yaml.safe_load(f"name: {text}  # why") == {"name": value}


@pytest.mark.parametrize("word", ["on", "no", "null", "~", "0123", "1e3", "1_000", "12:30", ""])
def test_a_text_stays_one_in_every_version_of_yaml(word: str) -> None:
    """What some version takes for a number, a switch or nothing has quotes around it."""
    assert for_yaml(word) == f'"{word}"'


def test_numbers_are_written_as_any_version_of_yaml_reads_them() -> None:
    """An exponent has a point before it: without one YAML 1.1 takes it for a text."""
    assert for_yaml([1024, 0.9, 1e-5, 1e16, math.inf]) == "[1024, 0.9, 1.0e-05, 1.0e+16, .inf]"


@given(TEXTS.filter(str.strip))
def test_any_name_stays_one(name: str) -> None:
    """A name such as `on` is quoted, a usual one is not."""
    assert yaml.safe_load(f"{yaml_name(name)}: 1") == {name: 1}
    assert yaml_name("max-num-seqs") == "max-num-seqs"


@given(TEXTS)
def test_a_dollar_of_compose_and_kubernetes_is_doubled(text: str) -> None:
    """No single one is left that could begin a variable."""
    read = yaml.safe_load(for_compose(text))

    assert "$" not in read.replace("$$", "")
    assert read.replace("$$", "$") == text


@given(st.lists(TEXTS, min_size=1, max_size=4))
def test_the_words_of_a_unit_s_command_are_read_back(words: list[str]) -> None:
    """Quotes, dollars, percents and line breaks are no part of the syntax."""
    command = systemd_command(tuple(words))

    assert "\n" not in command
    assert words_of(command, first=words[0]) == words


def test_specifiers_are_doubled_in_a_unit() -> None:
    """A percent begins a specifier in assignments too, a dollar only in commands."""
    assert for_systemd('50% of "$x"') == '50%% of \\"$x\\"'
