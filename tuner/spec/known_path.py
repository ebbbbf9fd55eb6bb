"""A place on disk that `tune` reads or writes, and the variable that moves it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class KnownPath:
    """A folder or file: what it is called, where it lies, and what it holds.

    `variable` of the environment moves it, None where none does.
    """

    name: str
    path: Path
    holds: str
    variable: str | None = None

    @property
    def exists(self) -> bool:
        """Tell whether it is there."""
        return self.path.exists()

    @property
    def moved(self) -> bool:
        """Tell whether its variable is set, and put it where it is."""
        told = os.environ.get(self.variable or "", "").strip().strip("\"'").strip()
        return bool(told) and self.path.is_relative_to(Path(told).absolute())
