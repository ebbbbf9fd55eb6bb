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

_LARGEST = 2**63
"""Servers count with 64 bits."""

_EXPONENT = re.compile(r"([-+]?\d+(?:\.\d*)?)[eE]([-+]?\d+)")


def _word(value: Any) -> Any:
    if not isinstance(value, bool | int | float | str):
        raise ValueError("expected a number, true or false, or a word")
    return value if isinstance(value, bool | str) else _finite(value)


def _scalar(value: Any) -> Any:
    if isinstance(value, str) and (meant := _exponent(value)):
        raise ValueError(f"expected a number: {meant}")
    return _word(value)


def _number(value: Any) -> Any:
    if isinstance(value, str) and (meant := _exponent(value)):
        raise ValueError(f"expected a number: {meant}")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("expected a number")
    return _finite(value)


def _finite(value: int | float) -> int | float:
    if not -_LARGEST < value < _LARGEST:  # nor NaN, which is neither
        raise ValueError("expected a finite number of at most 63 bits")
    return value


def _exponent(text: str) -> str | None:
    """Return what to write for 1e2, which is text in YAML 1.1 (yaml.org/type/float)."""
    found = _EXPONENT.fullmatch(text)
    if found is None:
        return None
    digits, power = found.groups()
    digits += "" if "." in digits else ".0"
    power = power if power[0] in "+-" else f"+{power}"
    plain = f"{float(text):g}"
    either = "" if "e" in plain else f"{plain} or "
    return f"YAML reads {text} as text; write {either}{digits}e{power}"


# Looked at before the union, which would complain once for each type.
Value = Annotated[StrictBool | StrictInt | StrictFloat | StrictStr, BeforeValidator(_scalar)]
Number = Annotated[StrictInt | StrictFloat, BeforeValidator(_number)]
Word = Annotated[StrictBool | StrictInt | StrictFloat | StrictStr, BeforeValidator(_word)]
"""A value where text is meant, as in a command line."""


def branch(name: str = "") -> str:
    """Return the tag of a union's branch: pydantic puts it among the keys, and no key looks so."""
    return f"<{name}>"


def is_branch(step: Any) -> bool:
    """Tell whether a step of pydantic's location names a union's branch, not a key."""
    return isinstance(step, str) and step.startswith("<")


BRANCHES = (branch("mapping"), branch("plain"))


def shape(part: Any) -> str:
    """Return the branch that a part of the file is meant for, so that one complaint is made."""
    return BRANCHES[0] if isinstance(part, Mapping | BaseModel) else BRANCHES[1]


class Part(BaseModel):
    """A section of the file; a key that it does not know is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


LONGEST_S = 366 * 24 * 3600.0


def parse_duration(value: Any) -> float:
    """Return seconds from 90, "90s", "10m" or "1.5h"; raise ValueError otherwise."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        seconds = value
    else:
        match = re.fullmatch(r"\s*(\d+\.?\d*|\.\d+)\s*(s|m|h)?\s*", str(value))
        if not match:
            raise ValueError("expected a duration such as 90s, 10m or 1h")
        seconds = float(match[1]) * {"s": 1, "m": 60, "h": 3600, None: 1}[match[2]]
    if not 0 < seconds <= LONGEST_S:
        raise ValueError("expected a duration above zero, and of at most a year")
    return float(seconds)


_DURATION_SCHEMA = {
    "anyOf": [
        {"type": "number", "exclusiveMinimum": 0},
        {"type": "string", "pattern": r"^\s*(\d+\.?\d*|\.\d+)\s*(s|m|h)?\s*$"},
    ],
    "examples": ["90s", "10m", "1.5h", 600],
}
Duration = Annotated[float, BeforeValidator(parse_duration), WithJsonSchema(_DURATION_SCHEMA)]


def nearest(word: str, allowed: Iterable[str], alike: float = 0.6) -> str:
    """Return "; did you mean X?" for the closest allowed word, or nothing.

    `alike` is the least share of its letters that agree: more where there are hundreds of words.
    """
    close = difflib.get_close_matches(word, list(allowed), n=1, cutoff=alike)
    return f"; did you mean {close[0]}?" if close else ""
