"""Which models a server says it serves, in whatever form it says it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.engines.serving.served_models import in_words, is_among, listed

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner) | st.dictionaries(
        st.sampled_from(("data", "models", "id", "name")), inner),
    max_leaves=8,
)  # fmt: skip


@pytest.mark.parametrize(
    "body",
    [
        {"data": [{"id": "a"}, {"id": "b"}]},
        {"models": [{"name": "a"}, {"name": "b"}]},
        [{"id": "a"}, "b", {"id": ""}, None],
    ],
)
def test_the_forms_that_servers_use_are_read(body: Any) -> None:
    """OpenAI's, Ollama's and the bare list."""
    assert listed(body) == ("a", "b")


@given(anything)
def test_any_other_answer_lists_nothing_or_names(body: Any) -> None:
    """What a server answers is never taken on trust."""
    assert all(isinstance(name, str) and name for name in listed(body))


@pytest.mark.parametrize(
    ("name", "names", "known"),
    [
        ("tiny", ("tiny:latest",), True),
        ("Tiny:Latest", ("tiny:latest", "b:1"), True),
        ("tiny", ("tiny:1b",), False),
        ("TINY", ("tiny",), False),
        ("tiny", ("tiny:latest", "gpt"), False),
        ("tiny", (), False),
    ],
)
def test_a_name_is_completed_as_ollama_does_it_and_as_nobody_else(
    name: str, names: tuple[str, ...], known: bool
) -> None:
    """Only where all names have a tag is the server an Ollama."""
    assert is_among(name, names) == known


def test_of_many_models_the_first_are_shown_and_the_nearest() -> None:
    """A gateway may have hundreds."""
    said = in_words("m-19x", [f"m-{n}" for n in range(100)])

    assert "m-19 and 80 more" in said
    assert "did you mean m-" in said
