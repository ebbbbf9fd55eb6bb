"""In what two measurements differ: each fact is named, one that is missing too."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tuner.spec.differences import differences, short

facts = st.recursive(
    st.none() | st.integers() | st.text(max_size=3),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=5,
)
documents = st.dictionaries(st.sampled_from("abc"), facts)


@given(documents, documents)
def test_nothing_is_named_where_nothing_differs_and_something_where_it_does(
    a: dict[str, Any], b: dict[str, Any]
) -> None:
    """Both ways round alike."""
    one, other = differences(a, b, "abc"), differences(b, a, "abc")

    assert differences(a, a, "abc") == ()
    assert {d.fact for d in one} == {d.fact for d in other}
    assert all(d.a != d.b for d in one)


def test_the_part_that_differs_is_named_and_one_that_is_missing_is_none() -> None:
    """At any depth."""
    a = {"engine": {"kind": "x", "flags": {"ctx": 1}}, "seed": 1}
    b = {"engine": {"kind": "x", "flags": {"ctx": 2}}}
    found = [str(d) for d in differences(a, b, ("engine", "seed"))]

    assert found == ["engine.flags.ctx: A has 1, B has 2", "seed: A has 1, B has null"]


@given(st.text(max_size=300))
def test_a_long_value_is_cut(value: str) -> None:
    """A sentence stays readable; a short value stands as it is."""
    shown = short(value)

    assert len(shown) <= 120
    assert shown == json.dumps(value, ensure_ascii=False) or shown.endswith("...")
