"""The lines of a vLLM log, each with who wrote it, and the exceptions among them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

SERVING = "Application startup complete."
"""uvicorn's word for a start that succeeded; what follows is about requests."""

_LINE = re.compile(
    r"((?:\([^()\n]*pid=\d+\) ?)?)"
    r"(?:((?:DEBUG|INFO|WARNING|ERROR|CRITICAL)) \d\d-\d\d \d\d:\d\d:\d\d (\[[^\]\n]*\]) ?)?(.*)"
)
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_RAISED = re.compile(r"(?:\w+\.)*(\w+(?:Error|Exception|Interrupt)|Exception)(?:: ?(.*))?")
_PARSER = re.compile(
    r"[\w.-]+(?: serve)?: error: ((?:argument|unrecognized|the following|one of).*)"
)
_DIED = re.compile(r"Worker proc \S+ died unexpectedly .*")
_NO_MODULE = re.compile(r"\S*python\S*: (No module named .*)")
_MESSAGE_LINES = 8


@dataclass(frozen=True, slots=True)
class Line:
    """A line: the process and place that wrote it, its level ("" where it has none), its text."""

    writer: str
    level: str
    text: str


@dataclass(frozen=True, slots=True)
class Raised:
    """An exception that a log shows: the name of its type, and its message over several lines."""

    kind: str
    message: str


def read_lines(log: str) -> list[Line]:
    """Return the lines of a log."""
    found = (_LINE.match(line) for line in _COLOUR.sub("", log).splitlines())
    return [Line(f"{f[1]}{f[3] or ''}", f[2] or "", f[4]) for f in found if f]


def raised(lines: Sequence[Line]) -> Iterator[Raised]:
    """Yield the exceptions in the order of the log, also what a parser of arguments says."""
    for n, line in enumerate(lines):
        if found := _RAISED.fullmatch(line.text):
            more = _continued(line, lines[n + 1 : n + _MESSAGE_LINES])
            yield Raised(found[1], "\n".join([found[2] or "", *more]).strip())
        elif found := _PARSER.fullmatch(line.text):
            yield Raised("ArgumentError", found[1])
        elif _DIED.fullmatch(line.text):
            yield Raised("WorkerDied", line.text)
        elif found := _NO_MODULE.fullmatch(line.text):
            yield Raised("ModuleNotFoundError", found[1])


def _continued(first: Line, lines: Sequence[Line]) -> Iterator[str]:
    """Yield the lines of a message after its first: they are from the same writer."""
    for line in lines:
        if (line.writer, line.level) != (first.writer, first.level):
            return
        if line.text.startswith(("Traceback", "  File", "During handling", "The above exception")):
            return
        if _RAISED.fullmatch(line.text) or line.text.startswith("    For further information"):
            return
        yield line.text
