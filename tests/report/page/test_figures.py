"""A figure names its place, has its unit, and is unknown where nobody knows it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.report.page.parsed import agrees
from tuner.report.page.figures import FORMATS, Figures, escaped, found

NUMBERS = sorted(set(FORMATS) - {"text", "setting", "count", "duration", "quantile", "words"})


@given(st.floats(1e-4, 1e5), st.sampled_from(NUMBERS))
def test_a_number_is_written_so_that_it_can_be_read_back(value: float, unit: str) -> None:
    """To the last digit that is shown, whatever the unit."""
    shown = Figures({"a": value}).text("/a", unit)

    assert agrees(value, unit, shown)


@given(st.floats(0, 1e6), st.integers(0, 10**9))
def test_times_and_counts_can_be_read_back(seconds: float, count: int) -> None:
    """Hours, minutes and seconds; thousands are divided."""
    figures = Figures({"s": seconds, "n": count})

    assert agrees(seconds, "duration", figures.text("/s", "duration"))
    assert agrees(count, "count", figures.text("/n", "count"))


@given(st.text(max_size=20), st.integers())
def test_any_name_can_be_a_part_of_a_place(name: str, value: int) -> None:
    """Also one with slashes and tildes (RFC 6901)."""
    assert found({"a": [{name: value}]}, f"/a/0/{escaped(name)}") == value


@pytest.mark.parametrize("pointer", ["/b", "/a/7", "/a/x", "/a/0/c", "/n/0"])
def test_a_place_with_nothing_has_no_value(pointer: str) -> None:
    """That is None, and no error."""
    assert found({"a": [{"b": 1}], "n": 5}, pointer) is None


@pytest.mark.parametrize("value", [None, float("nan")])
def test_unknown_is_shown_as_unknown(value: Any) -> None:
    """Never as a number."""
    figures = Figures({"a": value})

    assert figures.text("/a", "ms") == "unknown"
    assert "unknown" in figures.figure("/a", "ms")


def test_a_figure_names_its_place_and_unit() -> None:
    """And nothing in it can become a part of the page."""
    figures = Figures({"<b>": "<i>"})

    assert figures.figure("/<b>", "text") == (
        '<span data-at="/&lt;b&gt;" data-as="text">&lt;i&gt;</span>'
    )


@pytest.mark.parametrize(("q", "shown"), [(0.5, "50"), (0.99, "99"), (0.999, "99.9")])
def test_quantiles_keep_all_their_digits(q: float, shown: str) -> None:
    """A p99.9 is no p100."""
    assert Figures({"q": q}).text("/q", "quantile") == shown
