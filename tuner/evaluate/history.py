"""What happened to a name in service, as rows: nights, promotions and ways back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tuner.engines.deployment import Version


@dataclass(frozen=True, slots=True)
class Serving:
    """What has a name: a version, None for nothing."""

    version: Version | None


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that happened to a name in service; None is unknown.

    `number` counts from the earliest. `by` is the command that did it, and `decision` what it came
    to: that of a night, or `went_back`, `removed`, `cut_off` (no end was written down), `under_way`
    (it still goes on). `serves` is what had the name afterwards, and `changed` has the settings
    that went into service with it, each as (before, now). `result` is the folder of the run.
    """

    number: int
    began: datetime | None
    ended: datetime | None
    by: str
    decision: str
    why: str
    serves: Serving | None = None
    changed: Mapping[str, tuple[Any, Any]] | None = None
    result: Path | None = None


@dataclass(frozen=True, slots=True)
class History:
    """All that is known of a name at a place, the earliest first.

    `name` is None where no night ended that could tell it, and `place` where the name alone, or an
    option, says where it serves.
    """

    name: str | None
    place: str | None
    rows: tuple[Row, ...]
