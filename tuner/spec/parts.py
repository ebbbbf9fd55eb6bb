"""What the sections of the study file are made of: strict models, values, durations."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    WithJsonSchema,
)


def _scalar(value: Any) -> Any:
    if not isinstance(value, bool | int | float | str):
        raise ValueError("expected a number, true or false, or a word")
    return value


def _number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("expected a number")
    return value


# Looked at before the union, which would complain once for each type.
Value = Annotated[StrictBool | StrictInt | StrictFloat | StrictStr, BeforeValidator(_scalar)]
Number = Annotated[StrictInt | StrictFloat, BeforeValidator(_number)]


BRANCHES = ("<mapping>", "<plain>")
"""Steps that unions add to pydantic's locations; no key of a file is called so."""


def shape(part: Any) -> str:
    """Return the branch that a part of the file is meant for, so that one complaint is made."""
    return BRANCHES[0] if isinstance(part, Mapping | BaseModel) else BRANCHES[1]


class Part(BaseModel):
    """A section of the file; a key that it does not know is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def parse_duration(value: Any) -> float:
    """Return seconds from 90, "90s", "10m" or "1.5h"; raise ValueError otherwise."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        seconds = float(value)
    else:
        match = re.fullmatch(r"\s*([\d.]+)\s*(s|m|h)?\s*", str(value))
        if not match:
            raise ValueError("expected a duration such as 90s, 10m or 1h")
        seconds = float(match[1]) * {"s": 1, "m": 60, "h": 3600, None: 1}[match[2]]
    if seconds <= 0:
        raise ValueError("expected a duration above zero")
    return seconds


_DURATION_SCHEMA = {
    "anyOf": [
        {"type": "number", "exclusiveMinimum": 0},
        {"type": "string", "pattern": r"^\s*[\d.]+\s*(s|m|h)?\s*$"},
    ],
    "examples": ["90s", "10m", "1.5h", 600],
}
Duration = Annotated[float, BeforeValidator(parse_duration), WithJsonSchema(_DURATION_SCHEMA)]


def nearest(word: str, allowed: Iterable[str]) -> str:
    """Return "; did you mean X?" for the closest allowed word, or nothing."""
    close = difflib.get_close_matches(word, list(allowed), n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else ""
