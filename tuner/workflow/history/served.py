"""What served under a name, step by step, as its journal tells it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tuner.engines.deployment import Version
from tuner.evaluate.history import Serving
from tuner.spec.differences import differences
from tuner.spec.values import Candidate
from tuner.workflow.service.journal import Promotion

_FAILED = {
    "staged": "it was broken off before the name changed hands",
    "keeping": "it was broken off before the name changed hands",
    "swapped": "it did not come to answer",
    "reloaded": "its check in place did not end well",
    "checked": "it was broken off after its check",
}
"""Why something was taken back, by the last step that it came to."""

LEFT = "somebody else gave the name to something else meanwhile, which stays"


@dataclass(frozen=True, slots=True)
class Step:
    """A promotion or a way back, with its place in the journal, counted from 0.

    `serves` is what had the name afterwards, None where that is not known, and `changed` has the
    settings that went into service with it. `about` is the folder of the run that it put into
    service or took back, and `result` that of what served afterwards. `strange` tells whether what
    it replaced was put there by somebody else.
    """

    place: int
    made: Promotion
    serves: Serving | None
    changed: Mapping[str, tuple[Any, Any]] | None
    about: str | None
    result: str | None
    strange: bool

    @property
    def back(self) -> bool:
        """Tell whether it is a way back that was asked for."""
        return "returning" in self.made.steps

    @property
    def at(self) -> datetime | None:
        """Return when it ended, or else when it began."""
        return self.made.until if self.made.ended else self.made.began

    @property
    def decision(self) -> str:
        """Return what it came to, in a word."""
        last = self.made.steps[-1]
        if last == "settled":
            return "promoted"
        if last == "restored" and not self.back:
            return "rolled_back"
        if last == "restored":
            return "removed" if self.made.kept is None else "went_back"
        return "left" if last == "left" else "cut_off"

    @property
    def why(self) -> str:
        """Return why it ended so, in a sentence."""
        made = self.made
        told = {
            "promoted": f"checked in place: {'yes' if 'checked' in made.steps else 'no'}",
            "rolled_back": _FAILED.get(made.steps[-2:][0], "it did not end well"),
            "went_back": "what served before was asked for",
            "removed": "nothing served before it",
            "left": LEFT,
        }.get(self.decision, "")
        return "; ".join(filter(None, (told, self.remark)))

    @property
    def remark(self) -> str:
        """Return what else is to be known, "" for nothing."""
        return "what it replaced was put there by somebody else" if self.strange else ""


def steps(promotions: Sequence[Promotion]) -> Iterator[Step]:
    """Yield what a journal tells, the earliest first."""
    serves: Serving | None = None
    settings: dict[str, Candidate] = {}
    results: dict[str, str | None] = {}
    for place, made in enumerate(promotions):
        back = "returning" in made.steps
        if not back:
            settings[made.coming.id], results[made.coming.id] = made.candidate, made.result
        before = made.coming if back else made.kept
        now = _serves(made)
        yield Step(
            place, made, now,
            _changed(before, now, settings) if back or made.settled else None,
            results.get(made.coming.id),
            None if now is None or now.version is None else results.get(now.version.id),
            serves is not None and _id(serves.version) != _id(before),
        )  # fmt: skip
        serves = now


def _serves(made: Promotion) -> Serving | None:
    if made.settled:
        return Serving(made.coming)
    return Serving(made.kept) if made.steps[-1:] == ("restored",) else None


def _changed(
    before: Version | None, now: Serving | None, settings: Mapping[str, Candidate]
) -> Mapping[str, tuple[Any, Any]] | None:
    """Return the settings that differ, None where those of a side are not known."""
    after = now.version if now is not None else None
    old, new = (settings.get(version.id) if version else None for version in (before, after))
    if not old or not new:
        return None
    return {d.fact: (d.a, d.b) for d in differences(old, new, sorted({*old, *new}))}


def _id(version: Version | None) -> str | None:
    return None if version is None else version.id
