"""Nothing that is shown is cut: lines wrap at words, commands stay whole, a pipe has any width."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console, RenderableType
from rich.table import Table

from tuner.report.closing.lines import LABEL, LEAST, Line, Whole, listed

WORDS = st.lists(st.text("abc-.,=%/", min_size=1, max_size=12), max_size=30).map(" ".join)


def shown(what: RenderableType, width: int, *, terminal: bool) -> str:
    """Return what a command prints, on a terminal of a width or into a pipe."""
    file = io.StringIO()
    Console(
        file=file, width=width, force_terminal=terminal, color_system=None, highlight=False,
        soft_wrap=True,
    ).print(what)  # fmt: skip
    return file.getvalue()


@given(WORDS, st.integers(40, 140))
def test_a_sentence_keeps_its_words_and_its_width(text: str, width: int) -> None:
    """On a terminal no line is longer than it, and words are not parted."""
    lines = shown(Line("Gain", text), width, terminal=True).splitlines()

    assert max(map(len, lines)) <= width
    assert " ".join(lines).split() == ["Gain", *text.split()]
    assert all(line.startswith(" " * LABEL) for line in lines[1:])


@given(WORDS, st.integers(1, 140))
def test_in_a_pipe_a_sentence_is_one_line(text: str, width: int) -> None:
    """So that a search finds it; a narrow terminal gives a sentence a few columns all the same."""
    assert shown(Line("Gain", text), width, terminal=False) == f"{'Gain':<{LABEL}}{text}\n"
    assert shown(Line("", "word " * 9), 1, terminal=True).count("\n") <= 9 * 5 // LEAST + 1


@pytest.mark.parametrize("terminal", [True, False])
def test_a_command_is_never_broken(terminal: bool) -> None:
    """What is copied into a shell is one line, however long it is."""
    command = f"tune apply {'a-long-folder/' * 20} --name one"

    assert command in shown(Line("Into service", command, whole=True), 40, terminal=terminal)


def test_an_interval_stays_on_one_line() -> None:
    """A bracket that began on one line would be read as a number of its own."""
    lines = shown(Line("", "x" * 30 + " valid 99.5 [95.8, 100.0] %"), 48, terminal=True)

    assert "[95.8, 100.0]" in lines


def test_a_list_has_its_label_once() -> None:
    """The first of several lines says what they are."""
    lines = [shown(line, 80, terminal=True) for line in listed("Files", ["a", "b"])]

    assert lines == [f"{'Files':<{LABEL}}a\n", f"{'':<{LABEL}}b\n"]


@pytest.mark.parametrize("width", [30, 60, 200])
@pytest.mark.parametrize("terminal", [True, False])
def test_a_table_loses_no_digit(width: int, terminal: bool) -> None:
    """Too wide for a terminal, its cells wrap; in a pipe it is as wide as it is."""
    table = Table()
    for head in ("part", "p50 ms", "p99 ms"):
        table.add_column(head)
    table.add_row("decode", "110.0 [109.0, 111.0]", "210.0 [209.0, 211.0]")
    said = shown(Whole(table), width, terminal=terminal)

    assert all(number in said for number in ("110.0", "[109.0,", "111.0]", "[209.0,", "211.0]"))
    assert "…" not in said
    assert ("110.0 [109.0, 111.0]" in said) == (width > 50 or not terminal)
