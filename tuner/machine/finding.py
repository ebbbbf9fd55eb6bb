"""One thing that was looked at on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "note", "warning"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    `text` is a sentence: what was found and, unless that is ok, what was expected and what
    to do. A `note` is worth knowing, a `warning` spoils measurements or stands in their way.
    """

    topic: str
    level: Level
    text: str
