"""Who is told what, as the study's section `notify` says it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

EventKind = Literal["promoted", "rolled_back", "target_lost", "failed"]
EVENT_KINDS: tuple[EventKind, ...] = get_args(EventKind)


@dataclass(frozen=True, slots=True)
class Notify:
    """Whom to tell, and of what.

    The targets are URLs, which hold secrets: in the environment variable `urls_from`, or in the
    file `urls_file`; without either nobody gets a message. `textfile` is the folder that
    node_exporter reads metrics from, None without metrics.
    """

    urls_from: str | None = None
    urls_file: Path | None = None
    events: tuple[EventKind, ...] = EVENT_KINDS
    textfile: Path | None = None

    @property
    def tells(self) -> bool:
        """Tell whether anybody gets messages."""
        return self.urls_from is not None or self.urls_file is not None
