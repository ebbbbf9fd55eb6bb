"""Read server-sent events out of stamped chunks, after the stream has ended.

Source of the grammar: the HTML standard, "Server-sent events", section 9.2.6.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator


def stamped_lines(chunks: Iterable[tuple[int, bytes]]) -> Iterator[tuple[int, str]]:
    r"""Yield (arrival of its last byte in ns, line) for lines ended by \n or \r\n.

    Bytes that never saw the end of their line are dropped: their event did not arrive.
    """
    rest = b""
    for stamp, data in chunks:
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            yield stamp, line.rstrip(b"\r").decode(errors="replace")


def events(chunks: Iterable[tuple[int, bytes]]) -> Iterator[tuple[int, str]]:
    """Yield (arrival in ns, data) of each event; comments and other fields are skipped."""
    data: list[str] = []
    for stamp, line in stamped_lines(chunks):
        if line.startswith("data:"):
            data.append(line[5:].removeprefix(" "))
        elif not line and data:
            yield stamp, "\n".join(data)
            data = []
