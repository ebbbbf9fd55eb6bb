"""Lines with a label: sentences wrap beside it on a terminal, commands and paths stay whole."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

LABEL = 14
"""Columns that a label takes by default."""

LEAST = 20
"""Columns that a sentence has at least, however narrow the terminal is."""


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
        piped = bool(options.no_wrap) and not console.is_terminal
        shown = [self.text] if self.whole or piped else self._wrapped(options.max_width)
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
        wrapped = textwrap.wrap(self.text, room, break_long_words=False, break_on_hyphens=False)
        return wrapped or [""]


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
