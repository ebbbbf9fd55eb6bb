"""Where something is written in a YAML text."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tuner.spec.errors import InputError
from tuner.spec.file.yaml_reading import written_at

NAMES = st.text("abcdefg", min_size=1, max_size=4)
HERE = Path("s.yaml")


@given(st.dictionaries(NAMES, st.dictionaries(NAMES, st.integers(), min_size=1), min_size=1))
def test_each_key_stands_on_its_line(content: dict[str, dict[str, int]]) -> None:
    """The line that is named holds the key and the value, however a mapping is laid out."""
    text = yaml.safe_dump(content, default_flow_style=False)
    found = written_at(text, HERE)

    assert len(found) == len(content) + sum(map(len, content.values()))
    for outer, inner in content.items():
        for key, value in inner.items():
            shown, line = found[f"{outer}.{key}"]
            assert shown == str(value)
            assert text.splitlines()[line - 1].strip() == f"{key}: {value}"


def test_lists_and_what_is_merged_in() -> None:
    """A list of values is one place; what replaces something merged in is what counts."""
    text = (
        "base: &b\n  x: 1\n  y: 2\nuse:\n  x: 3\n  <<: *b\nmany:\n- a: 1\n- [1, 2]\nfew: [a, b]\n"
    )
    found = written_at(text, HERE)

    assert (found["use.x"], found["use.y"]) == (("3", 5), ("2", 3))
    assert (found["many.0.a"], found["many.1"]) == (("1", 8), ("[1, 2]", 9))
    assert found["few"] == ("[a, b]", 10)
    assert written_at("", HERE) == {}


def test_broken_yaml_is_refused() -> None:
    """With the file's name."""
    with pytest.raises(InputError, match=r"s\.yaml: not valid YAML"):
        written_at("a: [", HERE)
