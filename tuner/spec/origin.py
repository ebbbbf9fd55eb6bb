"""A value of a study as it is in force, and where it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Source = Literal["default", "file", "variable", "option"]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value comes from.

    `name` is the study file, the variable of the environment or the option; `line` is the file's.
    """

    source: Source = "default"
    name: str | None = None
    line: int | None = None


DEFAULT = Origin()


@dataclass(frozen=True, slots=True)
class Configured:
    """A value by its key in the study file, None where nothing is asked for, and its origin.

    `unit` is that of a number: s, ms, B. `note` says why a value is not in force.
    """

    key: str
    value: Any
    origin: Origin
    unit: str | None = None
    note: str | None = None
