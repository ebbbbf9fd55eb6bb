"""Read server-sent events and lines out of stamped chunks, after the stream has ended.

Source of the grammar: the HTML standard, "Server-sent events", sections 9.2.5 and 9.2.6.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

Chunks = Iterable[tuple[int, bytes]]

_ANY_END = re.compile(rb"\r\n|\r|\n")
_BOM = "\ufeff"


def stamped_lines(chunks: Chunks, *, whole: bool = False) -> Iterator[tuple[int, str]]:
    r"""Yield (arrival of its last byte in ns, line) for lines ended by \n or \r\n.

    Bytes that never saw the end of their line are dropped, since they may be half a line;
    where the body is `whole` they are its last line.
    """
    rest, stamp = b"", 0
    for stamp, data in chunks:
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            yield stamp, _text(line.rstrip(b"\r"))
    if whole and rest:
        yield stamp, _text(rest)


def events(chunks: Chunks, *, whole: bool = False) -> Iterator[tuple[int, str, str]]:
    """Yield (arrival in ns, type, data) of each event; comments and other fields are skipped.

    The type of most events is "". An event that never saw its end is dropped unless the body
    is `whole`: many servers leave out the last line ends.
    """
    kind, data, stamp = "", list[str](), 0
    for stamp, line in _sse_lines(chunks, whole):
        name, _, value = line.partition(":")
        if name == "data":
            data.append(value.removeprefix(" "))
        elif name == "event":
            kind = value.removeprefix(" ")
        elif not line:
            if any(data):
                yield stamp, kind, "\n".join(data)
            kind, data = "", []
    if whole and any(data):
        yield stamp, kind, "\n".join(data)


def _sse_lines(chunks: Chunks, whole: bool) -> Iterator[tuple[int, str]]:
    r"""Yield stamped lines ended by \r\n, \n or \r; a \n after a \r ends no line of its own."""
    rest, stamp, after_cr, first = b"", 0, False, True
    for stamp, raw in chunks:
        data = raw[1:] if after_cr and raw.startswith(b"\n") else raw
        after_cr = data.endswith(b"\r") if data else after_cr and not raw
        *lines, rest = _ANY_END.split(rest + data)
        for line in lines:
            yield stamp, _text(line).removeprefix(_BOM if first else "")
            first = False
    if whole and rest:
        yield stamp, _text(rest).removeprefix(_BOM if first else "")


def _text(line: bytes) -> str:
    return line.decode(errors="replace")


def ends_events(line: bytes) -> bool:
    """Tell whether a line of a stream of events is its last: OpenAI's `data: [DONE]`."""
    name, _, value = line.partition(b":")
    return name == b"data" and value.strip() == b"[DONE]"


def well_formed(text: str) -> str:
    """Return a text without lone surrogates, which JSON can name and UTF-8 cannot hold.

    Halves that stand side by side become the character that they are.
    """
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
