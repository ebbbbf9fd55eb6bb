"""Say which settings each file that a run writes holds."""

from __future__ import annotations

from collections.abc import Mapping

from tuner.engines.registry import kind_of
from tuner.search.result import Result
from tuner.spec.knobs import Knob, says_something


def holds(name: str, result: Result) -> str:
    """Return which settings of the best candidate a written file holds, "" for most files."""
    contents = kind_of(result.study).contents.get(name)
    if contents is None:
        return ""
    names = _names(contents.where, result.knobs, result.best_candidate)
    return contents.text.format(", ".join(names)) if names else ""


def _names(
    where: tuple[str, ...], knobs: Mapping[str, Knob], candidate: Mapping[str, object]
) -> list[str]:
    here = (name for name, knob in knobs.items() if knob.where in where)
    found = [name for name in here if says_something(knobs, name, candidate)]
    if "client" in where and candidate.get("shots") == "dynamic":
        found = [*(name for name in found if name != "shots"), "dynamic shots"]
    return found
