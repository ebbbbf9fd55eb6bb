"""Lines and tables of which nothing is cut, on a terminal of any width and in a pipe."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement as Width
from rich.table import Table
from rich.text import Text

LABEL = 14
"""Columns that a label takes by default."""

LEAST = 20
"""Columns that a sentence has at least, however narrow the terminal is."""

_BRACKET = re.compile(r"\[[^\[\]]*\]")
_HELD = "\u00a0"
"""Stands for a space at which no line ends: those in an interval."""


@dataclass(frozen=True, slots=True)
class Line:
    """A label and what stands beside it.

    A sentence is wrapped at words where there is a width to keep: on a terminal and in a file. In
    a pipe it is one line, so that a search finds it. What is `whole` is never broken. A label takes
    `columns`, none where it is empty.
    """

    label: str
    text: str
    style: str = ""
    whole: bool = False
    columns: int = LABEL

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the lines; the label stands before the first."""
        whole = self.whole or _piped(console, options)
        shown = [self.text] if whole else self._wrapped(options.max_width)
        for number, part in enumerate(shown):
            label = self.label if number == 0 else ""
            yield Text(
                f"{label:<{self._indent}}{part}", self.style, no_wrap=True, overflow="ignore"
            )

    @property
    def _indent(self) -> int:
        return self.columns if self.label else 0

    def _wrapped(self, width: int) -> list[str]:
        room = max(width - self._indent, LEAST)
        text = _BRACKET.sub(lambda found: found[0].replace(" ", _HELD), self.text)
        wrapped = textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False)
        return [line.replace(_HELD, " ") for line in wrapped] or [""]


@dataclass(frozen=True, slots=True)
class Whole:
    """Shows a table of which nothing is cut: on a narrow terminal its cells wrap."""

    table: Table

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the table."""
        if _piped(console, options):
            room = options.update(max_width=_ANY_WIDTH)
            options = options.update(max_width=Width.get(console, room, self.table).maximum)
        yield from console.render(self.table, options)


_ANY_WIDTH = 1000


def _piped(console: Console, options: ConsoleOptions) -> bool:
    """Tell whether nobody keeps to a width: a console that wraps softly, and is no terminal."""
    return bool(options.no_wrap) and not console.is_terminal


def listed(label: str, texts: Iterable[str], *, style: str = "") -> Iterator[Line]:
    """Yield a line for each text, whole; the label stands before the first."""
    for number, text in enumerate(texts):
        yield Line(label if number == 0 else " ", text, style, whole=True)


def bullets(texts: Iterable[str], style: str = "yellow") -> Iterator[Line]:
    """Yield sentences that a reader must not miss, each after a dash."""
    for text in texts:
        yield Line("  - ", text, style, columns=4)


def sentences(texts: Iterable[str], style: str = "") -> Iterator[Line]:
    """Yield sentences without a label."""
    for text in texts:
        yield Line("", text, style)
