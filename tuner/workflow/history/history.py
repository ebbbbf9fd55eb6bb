"""What happened to a name in service: its nights, and what was put into service by hand.

The journal says what served, the ledger what nights came to and why. What a night put into service
is told in the night's own row. Each file is in order by itself; between the two, stamps decide.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TypeAlias

from tuner.evaluate.comparison import Comparison
from tuner.evaluate.history import History, Row
from tuner.spec.errors import InputError
from tuner.workflow.history.known import Kept
from tuner.workflow.history.served import Step, steps
from tuner.workflow.measuring.compare import compare
from tuner.workflow.nightly.asked import BY
from tuner.workflow.nightly.ledger import Line

NO_END = "no end was written down: it was killed, or could not write"

_Key: TypeAlias = tuple[str, bool]


@dataclass(frozen=True, slots=True)
class _Night:
    """The lines of a night; `ended` is None where no end was written down.

    `by_day` tells whether it is what became of what a night had promoted, while it was watched.
    """

    began: Line
    ended: Line | None = None
    by_day: bool = False

    @property
    def key(self) -> _Key:
        """Return what tells it from others: the folder of its run, and which part of it."""
        return self.began["out"], self.by_day

    @property
    def at(self) -> datetime:
        """Return when it ended, or else when it began."""
        return datetime.fromisoformat((self.ended or self.began)["at"])


def history(kept: Kept) -> History:
    """Return all that happened to a name, the earliest first."""
    return History(kept.name, kept.place, tuple(_numbered(kept)))


def _numbered(kept: Kept) -> Iterator[Row]:
    """Yield the rows with their numbers, each with what served after it."""
    serves = None
    for number, (night, step) in enumerate(_merged(kept), 1):
        serves = serves if step is None else step.serves
        row = _of_night(night, step, kept) if night else _of_step(step, kept)
        yield replace(row, number=number, serves=serves)


def _merged(kept: Kept) -> Iterator[tuple[_Night | None, Step | None]]:
    """Yield each night with its step, and between them what others did.

    However clocks were set, no file's own order changes.
    """
    made, nights = list(steps(kept.promotions)), _nights(kept.lines)
    claimed = _claimed(made, nights)
    of_nights = {step.place for step in claimed.values()}
    others = [step for step in made if step.place not in of_nights]
    for place, night in enumerate(nights):
        step, bound = claimed.get(night.key), _bound(nights[place:], claimed)
        while others and others[0].place < bound and (step or _before(others[0], night)):
            yield None, others.pop(0)
        yield night, step
    yield from ((None, step) for step in others)


def _nights(lines: Sequence[Line]) -> list[_Night]:
    found: list[_Night] = []
    for line in lines:
        if line["what"] == "begun":
            found.append(_Night(line))
        elif line["what"] == "night":
            out = line["out"]
            if found and found[-1].ended is None and found[-1].began["out"] == out:
                found[-1] = replace(found[-1], ended=line)
            else:
                again = any(night.began["out"] == out for night in found)
                found.append(_Night(line, line, by_day=again))
    return found


def _claimed(made: Sequence[Step], nights: Sequence[_Night]) -> dict[_Key, Step]:
    """Return what nights did to what serves: each step that is about a night's own run."""
    keys = {night.key for night in nights}
    found = {(step.about, step.back): step for step in made if step.made.by == BY and step.about}
    return {key: step for key, step in found.items() if key in keys}


def _bound(nights: Sequence[_Night], claimed: Mapping[_Key, Step]) -> float:
    """Return the place in the journal that what comes before these nights lies below."""
    found = (claimed[night.key].place for night in nights if night.key in claimed)
    return next(found, math.inf)


def _before(step: Step, night: _Night) -> bool:
    return step.at is None or step.at <= night.at


# rows
def _of_step(step: Step | None, kept: Kept) -> Row:
    assert step is not None
    made, decision, why = step.made, step.decision, step.why
    if decision == "cut_off":
        goes_on = step.place == len(kept.promotions) - 1 and kept.is_changing()
        decision, why = _open(goes_on=goes_on)
        why = why if goes_on else f"{why}; the next tune apply, rollback or retune repairs it"
    ended = made.until if made.ended else None
    result = step.about if not step.back else step.result
    return Row(0, made.began, ended, made.by, decision, why, None, step.changed, _path(result))


def _of_night(night: _Night, step: Step | None, kept: Kept) -> Row:
    began = None if night.by_day else datetime.fromisoformat(night.began["at"])
    changed = step.changed if step else None
    if night.ended is None:
        goes_on = night.began is _last_begun(kept.lines) and kept.night_goes_on()
        decision, why = _open(goes_on=goes_on)
        why = why if goes_on or step is None else f"{why}; {_became(step)}"
        return Row(0, began, None, BY, decision, why, None, changed)
    line = night.ended
    why = "; ".join(filter(None, (line["why"], step.remark if step else "")))
    ended, result = datetime.fromisoformat(line["at"]), _path(line["result"])
    return Row(0, began, ended, BY, line["decision"], why, None, changed, result)


def _open(*, goes_on: bool) -> tuple[str, str]:
    """Return what is said of what has no end."""
    return ("under_way", "it still goes on") if goes_on else ("cut_off", NO_END)


def _became(step: Step) -> str:
    """Say what became of what a night that was cut off was putting into service."""
    return {
        "promoted": "what it put into service stays",
        "rolled_back": "what it was putting into service was taken back",
        "cut_off": "the next tune apply, rollback or retune repairs what it was putting into "
                   "service",
    }.get(step.decision, step.why)  # fmt: skip


def _last_begun(lines: Sequence[Line]) -> Line | None:
    return next((line for line in reversed(lines) if line["what"] == "begun"), None)


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)


# compared
def compared(rows: Sequence[Row], a: int, b: int, *, force: bool = False) -> Comparison:
    """Compare the results of two rows, B against A, each by its number; see `compare`.

    Raises InputError for a row that is not there, or without a result that is still there, and
    NotComparable.
    """
    first, second = _result(rows, a), _result(rows, b)
    if first == second:
        raise InputError(f"rows {a} and {b} are of the same result, {first}: name another row")
    return compare(first, second, force=force)


def _result(rows: Sequence[Row], number: int) -> Path:
    row = next((row for row in rows if row.number == number), None)
    if row is None:
        raise InputError(f"there is no row {number}; rows go from 1 to {len(rows)}")
    if row.result is None:
        raise InputError(f"row {number} has no result that could be compared ({row.decision})")
    if not row.result.is_dir():
        raise InputError(f"the result of row {number} is gone: {row.result}")
    return row.result
