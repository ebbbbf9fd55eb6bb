"""Say which settings each file that a run writes holds."""

from __future__ import annotations

from collections.abc import Mapping

from tuner.engines.registry import kind_of
from tuner.search.result import Result
from tuner.spec.values import LEFT_TO_ENGINE

_SAYS_NOTHING = {
    "system": "none",
    "shots": 0,
    "format": "none",
    "cpu_scheduling": "other",
}


def says_something(knob: str, value: object) -> bool:
    """Tell whether a value of a knob is sent or written anywhere."""
    return value is not None and value not in (*LEFT_TO_ENGINE, _SAYS_NOTHING.get(knob))


def holds(name: str, result: Result) -> str:
    """Return which settings of the best candidate a written file holds, "" for most files."""
    contents = kind_of(result.study).contents.get(name)
    if contents is None:
        return ""
    names = _names(contents.where, result.knobs_where, result.best_candidate)
    return contents.text.format(", ".join(names)) if names else ""


def _names(
    where: tuple[str, ...], knobs: Mapping[str, str], candidate: Mapping[str, object]
) -> list[str]:
    found = [
        name
        for name, place in knobs.items()
        if place in where and says_something(name, candidate.get(name))
    ]
    if "client" in where and candidate.get("shots") == "dynamic":
        found = [*(name for name in found if name != "shots"), "dynamic shots"]
    return found
