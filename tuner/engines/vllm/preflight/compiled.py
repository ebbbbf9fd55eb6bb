"""What earlier starts compiled: a start that finds it is warm."""

from __future__ import annotations

import contextlib
from pathlib import Path

from tuner.spec.values import EngineStart


class Compiled:
    """The hashes of what lies in vLLM's cache; `file` there keeps them for a continued run."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.hashes = set(file.read_text().split()) if file.exists() else set[str]()

    def start(self, seconds: float, compiled: str) -> EngineStart:
        """Return a start that just came up, and keep what it compiled."""
        found = compiled in self.hashes
        self.hashes.add(compiled)
        with contextlib.suppress(OSError):  # then the next run takes a warm start for cold
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._file.write_text("\n".join(sorted(self.hashes)))
        return EngineStart(round(seconds, 3), "warm" if found else "cold", compiled)
