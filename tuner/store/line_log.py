"""A file of JSON lines that is only ever appended to: each is on the disk itself before it counts.

A last line that was cut short is none: what it tells had not been written down yet.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tuner.machine import durable
from tuner.spec.errors import InputError
from tuner.store.run_folder import writing


class LineLog:
    """One such file; `holds` says what is written down there, for who cannot read it."""

    def __init__(self, path: Path, holds: str) -> None:
        self.path, self._holds = path, holds

    def append(self, line: Mapping[str, Any]) -> None:
        """Write one more line; raise OutputError."""
        text = json.dumps(line, ensure_ascii=True) + "\n"
        with writing(self.path):
            whole = _whole(self._read())
            durable.append(self.path, text.encode(), len(whole))
            if not whole:
                durable.sync(self.path.parent)

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """Yield each whole line with its number; raise InputError where none can be read."""
        yield from enumerate(_whole(self._read()).splitlines(), 1)

    def _read(self) -> bytes:
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise InputError(
                f"{self.path} cannot be read ({error.strerror}), where {self._holds} is written "
                "down; make it readable"
            ) from None


def _whole(content: bytes) -> bytes:
    """Return what was written to the end of a line."""
    return content[: content.rfind(b"\n") + 1]
