"""Whether a flag takes a value, judged as vLLM's own parser does before it starts anything."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from tuner.engines.vllm.installed.flags.flag import Flag, Kind
from tuner.spec.file.parts import nearest

_SCALED = re.compile(r"\d+(\.\d+)?[kmgt]|\d+[KMGT]")
_SCALED_IN_JSON = re.compile(r'"(?:[^"\\]|\\.)*"|\b\d+(?:\.\d+)?[kKmMgGtT]\b')
_NOTHING = ("", "None")


def taken(flag: Flag, value: str) -> str:
    """Return the value as vLLM takes it; raise ValueError, saying what was expected.

    Only the spelling of a choice is changed: FP8 becomes fp8, and flashinfer-trtllm
    flashinfer_trtllm, where the choice is written so.
    """
    if value in _NOTHING and flag.default in (None, "None"):
        return value
    if flag.choices:
        return _choice(flag, value)
    expected, fits = _KINDS[flag.kind]
    if not fits(value):
        raise ValueError(f"expected {expected}")
    return value


def _choice(flag: Flag, value: str) -> str:
    if value in flag.choices:
        return value
    spelt = {_folded(choice): choice for choice in flag.choices}
    if _folded(value) in spelt:
        return spelt[_folded(value)]
    raise ValueError(f"expected one of {', '.join(flag.choices)}{nearest(value, flag.choices)}")


def _folded(word: str) -> str:
    return word.lower().replace("-", "_")


def _is_whole(value: str) -> bool:
    return _parses(int, value)


def _is_size(value: str) -> bool:
    return bool(_SCALED.fullmatch(value.strip())) or _is_whole(value)


def _is_length(value: str) -> bool:
    return value.strip().lower() == "auto" or _is_size(value)


def _is_number(value: str) -> bool:
    return _parses(float, value)


def read_json(value: str) -> Any:
    """Return what a JSON text holds, in which vLLM also reads numbers such as 80g; else the text.

    The size of such a number is not told.
    """
    plain = _plain_json(value)
    return json.loads(plain) if _parses(json.loads, plain) else value


def _is_json(value: str) -> bool:
    return _parses(json.loads, _plain_json(value))


def _plain_json(value: str) -> str:
    return _SCALED_IN_JSON.sub(lambda m: m[0] if m[0].startswith('"') else "0", value)


def _parses(read: Callable[[str], object], value: str) -> bool:
    try:
        read(value)
    except (ValueError, OverflowError, RecursionError):
        return False
    return True


_KINDS: Mapping[Kind, tuple[str, Callable[[str], bool]]] = {
    "switch": ("no value", lambda value: False),
    "integer": ("a whole number", _is_whole),
    "size": ("a whole number, which may end in k (1000) or K (1024), m, M, g, G, t or T", _is_size),
    "length": (
        "auto, or a whole number, which may end in k (1000) or K (1024), m, M, g, G, t or T",
        _is_length,
    ),
    "number": ("a number", _is_number),
    "json": ("JSON", _is_json),
    "text": ("a text", lambda value: True),
}
