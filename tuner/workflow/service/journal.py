"""Lock a name in service, and write down each step of what is done to it before the next begins.

Locks and journals lie in the user's state folder, one of each for every name at every place. A
journal is only ever appended to: one line of JSON for a step, on the disk itself before the step
counts. Whoever takes the lock reads it first: what was begun and not ended is repaired.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from tuner.engines.deployment import Deployment, Version
from tuner.spec.errors import InputError
from tuner.store.line_log import LineLog
from tuner.store.state_folder import locked_state, state_folder

Step: TypeAlias = Literal[
    "staged", "keeping", "swapped", "reloaded", "checked", "settled", "returning", "restored",
    "left",
]  # fmt: skip
"""What was done, in this order: a promotion begins with `staged`, and a way back by hand with
`returning`; they end with `settled` or `restored`, or with `left` where somebody else had given the
name to something else, which stays. `keeping` comes before anything changes."""

_HOLDS = "what is done to a name in service"

_BEGINS: tuple[Step, ...] = ("staged", "returning")
_ENDS: tuple[Step, ...] = ("settled", "restored", "left")


@dataclass(frozen=True, slots=True)
class Promotion:
    """One version that went into service, or was to: `coming` in the place of `kept`.

    `kept` is None where nothing had the name; `answered` tells whether that answered then, None
    where it was not asked. `by` is the command that did it, `candidate` has the settings of what
    was coming, {} where they are not known, `model` the digest of the model that they were measured
    with, and `result` the folder of that run. `steps` were done, the first and the last of them at
    the instants `began` and `until`, None where they are not known. A way back by hand has
    `returning` among them, and what it comes from as `coming`.
    """

    name: str
    coming: Version
    kept: Version | None
    at: str
    answered: bool | None = None
    steps: tuple[Step, ...] = ()
    record: Mapping[str, Any] = field(default_factory=dict)
    by: str = "tune apply"
    candidate: Mapping[str, Any] = field(default_factory=dict)
    model: str | None = None
    result: str | None = None
    began: datetime | None = field(default=None, compare=False)
    until: datetime | None = field(default=None, compare=False)

    @property
    def ended(self) -> bool:
        """Tell whether it came to its end."""
        return self.steps[-1:] != () and self.steps[-1] in _ENDS

    @property
    def settled(self) -> bool:
        """Tell whether it went into service and stayed."""
        return self.steps[-1:] == ("settled",)


class Journal:
    """The journal of one name in service, in a file of its own."""

    def __init__(self, path: Path) -> None:
        self._log = LineLog(path, _HOLDS)

    def promotions(self) -> list[Promotion]:
        """Return all that was ever done, the earliest first; raise InputError for a broken line.

        A last line that was cut short is none: its step had not been written down yet.
        """
        return list(_promotions(self._log.lines(), self._log.path))

    def unfinished(self) -> Promotion | None:
        """Return what was begun and did not come to its end, None where all did."""
        last = self.promotions()[-1:]
        return last[0] if last and not last[0].ended else None

    def begin(self, step: Step, promotion: Promotion) -> None:
        """Write down that something begins; raise OutputError."""
        self._log.append({
            "step": step,
            "at": promotion.at,
            "began": now(),
            "name": promotion.name,
            "coming": asdict(promotion.coming),
            "kept": promotion.kept and asdict(promotion.kept),
            "answered": promotion.answered,
            "place": dict(promotion.record),
            "by": promotion.by,
            "candidate": dict(promotion.candidate),
            "model": promotion.model,
            "result": promotion.result,
        })  # fmt: skip

    def write(self, step: Step) -> None:
        """Write down that a step was done; raise OutputError."""
        self._log.append({"step": step, "at": now()})


def now() -> str:
    """Return this instant, with its distance from UTC, so that set clocks do no harm."""
    return datetime.now().astimezone().isoformat(" ", "seconds")


def _promotions(lines: Iterable[tuple[int, bytes]], path: Path) -> Iterator[Promotion]:
    """Yield what the lines tell; raise InputError for a line that no `tune` wrote."""
    made: Promotion | None = None
    for number, line in lines:
        try:
            told = json.loads(line)
            step = told["step"]
            if step not in get_args(Step):
                raise ValueError(f"unknown step {step!r}")
            if step in _BEGINS:
                if made is not None:
                    yield made
                made = _begun(told)
            if made is None:
                raise ValueError(f"{step} of nothing that was begun")
            until = _instant(told.get("began") or told.get("at"))
            made = replace(made, steps=(*made.steps, step), until=until)
        except (ValueError, KeyError, TypeError, RecursionError) as broken:
            raise InputError(
                f"{path}, line {number}: no step of a journal ({broken}); look at what serves, and "
                "move the file away to go on"
            ) from None
    if made is not None:
        yield made


def _begun(told: Mapping[str, Any]) -> Promotion:
    kept, answered = told["kept"], told["answered"]
    return Promotion(
        name=str(told["name"]),
        coming=Version(**told["coming"]),
        kept=None if kept is None else Version(**kept),
        at=str(told["at"]),
        answered=None if answered is None else bool(answered),
        record=dict(told["place"]),
        by=str(told["by"]),
        candidate=dict(told["candidate"]),
        model=_text(told.get("model")),
        result=_text(told.get("result")),
        began=_instant(told.get("began") or told["at"]),
    )


def _text(told: Any) -> str | None:
    return None if told is None else str(told)


def _instant(told: Any) -> datetime | None:
    """Return an instant, None for a text that tells none; without a zone it is the machine's."""
    with contextlib.suppress(ValueError, OverflowError):
        return datetime.fromisoformat(str(told)).astimezone()
    return None


@contextlib.contextmanager
def locked(deployment: Deployment) -> Iterator[Journal]:
    """Lock a name in service for this process; yield its journal.

    Raises Locked while another process changes it, InputError where no state can be written, and
    where the place serves under another name.
    """
    base = base_of(deployment)
    taken = (
        f"{deployment.name} is being changed by another tune apply or rollback; wait until it has "
        "ended"
    )
    with locked_state(lock_at(base), taken, _HOLDS):
        journal = journal_at(base)
        _ensure_named(deployment, journal)
        yield journal


def journal_at(base: Path) -> Journal:
    """Return a journal by the path that all files about a name in service begin with."""
    return Journal(base.with_name(f"{base.name}.jsonl"))


def lock_at(base: Path) -> Path:
    """Return the lock of a name in service, by the same path."""
    return base.with_name(f"{base.name}.lock")


def base_of(deployment: Deployment) -> Path:
    """Return the path that all files about a name in service begin with."""
    return state_folder() / hashlib.sha256(deployment.key.encode()).hexdigest()[:20]


def _ensure_named(deployment: Deployment, journal: Journal) -> None:
    """Raise InputError where what serves in a place has another name: it has only one."""
    last = journal.promotions()[-1:]
    if last and last[0].name.casefold() != deployment.name.casefold():
        raise InputError(
            f"{deployment.key} serves as {last[0].name}, found the name {deployment.name}; say "
            f"--name {last[0].name}, or another folder"
        )


def recorded(name: str) -> list[Mapping[str, Any]]:
    """Return what was written down of the places that are found by this name alone.

    A journal that cannot be read is left out: its own place tells of it.
    """
    found = []
    for path in sorted(state_folder().glob("*.jsonl")):
        with contextlib.suppress(InputError):
            last = Journal(path).promotions()[-1:]
            if last and last[0].name == name and last[0].record:
                found.append(last[0].record)
    return found
