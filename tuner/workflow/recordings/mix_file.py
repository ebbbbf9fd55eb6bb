"""The file of a mix, NAME.mix.json: written beside the prompts, and read back checked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, StrictInt

from tuner.spec.errors import InputError
from tuner.spec.file.checked import validated
from tuner.spec.file.parts import Number, Part
from tuner.spec.file.reading import parsed_json, read_text
from tuner.workflow.recordings.mix import ASPECTS, Aspect, Group, Mix, least_of

_QUANTILES = (0.5, 0.95, 0.99)

Count = Annotated[StrictInt, Field(ge=1, lt=2**53)]
Step = Annotated[str, Field(pattern=r"^(0|[1-9][0-9]{0,2})$")]


class GroupPart(Part):
    """Counts of some conversations; lengths by the number of their step."""

    kinds: dict[str, Count]
    prompt_chars: dict[Step, Count]
    answer_tokens: dict[Step, Count] = Field({})


class MixPart(Part):
    """The file of a mix; `shares` are for people, and follow from the groups."""

    version: Literal[1]
    requests: Annotated[StrictInt, Field(ge=0, lt=2**53)]
    conversations: Annotated[StrictInt, Field(ge=0, lt=2**53)]
    seconds: Number | None = None
    shares: dict[str, Any] = Field({})
    groups: tuple[GroupPart, ...]


def mix_path(prompts: Path) -> Path:
    """Return where the mix of a prompts file stands: NAME.mix.json beside NAME.jsonl."""
    return prompts.with_name(f"{prompts.stem}.mix.json")


def document(mix: Mix) -> dict[str, Any]:
    """Return a mix as JSON."""
    return {
        "version": 1,
        "requests": mix.requests,
        "conversations": mix.conversations,
        "seconds": mix.seconds,
        "shares": {"kinds": _shares(mix)} | {a: _quantiles(mix, a) for a in ASPECTS[1:]},
        "groups": [{aspect: _sorted(getattr(g, aspect)) for aspect in ASPECTS} for g in mix.groups],
    }


def read_mix(path: Path) -> Mix:
    """Return the mix of a file; raise InputError with file and field for what is wrong."""
    try:
        found = parsed_json(read_text(path, "a mix"), str(path))
    except FileNotFoundError:
        raise InputError(f"no such file: {path}; `tune workload import` writes it") from None
    if not isinstance(found, dict):
        raise InputError(f"{path}: expected the object that `tune workload import` writes")
    part = validated(MixPart, found, str(path))
    mix = Mix(part.requests, part.conversations, part.seconds, tuple(map(_group, part.groups)))
    counted = sum(mix.counts("kinds").values())
    if counted != part.requests or not len(part.groups) <= part.conversations <= part.requests:
        raise InputError(
            f"{path}: requests: {part.requests} of {part.conversations} conversations, and the "
            f"groups count {counted} in {len(part.groups)}; import the recording again"
        )
    return mix


def dumped(mix: Mix) -> str:
    """Return the text of the file of a mix."""
    return json.dumps(document(mix), indent=1, ensure_ascii=False) + "\n"


def _group(part: GroupPart) -> Group:
    return Group(part.kinds, _steps(part.prompt_chars), _steps(part.answer_tokens))


def _steps(counts: Mapping[str, int]) -> dict[int, int]:
    return {int(step): count for step, count in counts.items()}


def _sorted(counts: Mapping[Any, int]) -> dict[str, int]:
    return {str(key): counts[key] for key in sorted(counts)}


def _shares(mix: Mix) -> dict[str, float]:
    counts = mix.counts("kinds")
    return {str(kind): round(n / mix.requests, 4) for kind, n in counts.items()}


def _quantiles(mix: Mix, aspect: Aspect) -> dict[str, int] | None:
    """Return some quantiles of a length, the least one of their step; None where none is known."""
    counts = mix.counts(aspect)
    total = sum(counts.values())
    found: dict[str, int] = {"n": total}
    for quantile in _QUANTILES if total else ():
        passed = 0
        for step in sorted(counts, key=int):
            passed += counts[step]
            if passed >= quantile * total:
                found[f"p{quantile * 100:g}"] = least_of(int(step))
                break
    return found if total else None
