"""What is kept from night to night of a name in service: worlds, challengers, decisions.

One line of JSON for each thing that happened; see `LineLog`. The requests that challengers were
compared with lie beside, in a folder for each of them.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tuner.engines.deployment import Deployment
from tuner.evaluate.night import Challenger
from tuner.spec.errors import InputError
from tuner.spec.identity import digest
from tuner.spec.values import Candidate
from tuner.stats.spending import error_of
from tuner.store.line_log import LineLog
from tuner.store.state_folder import locked_state
from tuner.workflow.service.journal import base_of, now

YEAR_DAYS = 365.0

NIGHTS, LOCK = "nights", ".lock"

_HOLDS = "what nights came to"

Line = Mapping[str, Any]

_FIELDS: Mapping[str, Mapping[str, Any]] = {
    "begun": {"out": str},
    "night": {
        "out": str,
        "decision": str,
        "why": str,
        "seconds": float | int | None,
        "world": str | None,
        "result": str | None,
        "challenger": dict | None,
        "evidence": dict | None,
        "trials": dict,
        "alarm": bool,
        "target_lost": bool,
    },
    "measuring": {"world": str, "out": str},
    "world": {"id": str, "facts": dict},
    "met": {"world": str, "challenger": str, "number": int, "year": int, "candidate": dict},
    "closed": {"world": str, "challenger": str},
}
"""What others read of each kind of line, and what it has to be."""


@dataclass(frozen=True, slots=True)
class World:
    """What nights have to agree in before what they showed is taken together."""

    id: str
    facts: Mapping[str, Any]


class Ledger:
    """The ledger of one name in service, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._log = LineLog(folder / "ledger.jsonl", _HOLDS)

    def lines(self, what: str | None = None) -> list[Line]:
        """Return what happened, the earliest first; raise InputError for a broken line."""
        found = [_line(number, text, self._log.path) for number, text in self._log.lines()]
        return [line for line in found if what in (None, line["what"])]

    def write(self, what: str, **facts: Any) -> None:
        """Write down that something happened; raise OutputError."""
        self._log.append({"what": what, "at": now(), **facts})

    # worlds
    def world(self, facts: Mapping[str, Any]) -> World:
        """Return the world of tonight; one that is met for the first time is written down."""
        found = World(digest(facts), json.loads(json.dumps(facts)))
        if not any(line["id"] == found.id for line in self.lines("world")):
            self.write("world", id=found.id, facts=found.facts)
        return found

    def facts_of(self, world: str) -> Mapping[str, Any]:
        """Return the facts of a world that was met, {} for another one."""
        lines = self.lines("world")
        return next((dict(line["facts"]) for line in lines if line["id"] == world), {})

    def measuring(self, world: World, out: Path) -> None:
        """Write down that a night begins to measure in a world, into a folder."""
        self.write("measuring", world=world.id, out=str(out.absolute()))

    def measured(self, but: Path) -> list[Line]:
        """Return the earlier nights that began to measure: all but the one of a folder."""
        return [line for line in self.lines("measuring") if line["out"] != str(but.absolute())]

    # challengers
    def met(self, world: World, id_: str, candidate: Candidate) -> Challenger:
        """Return a challenger with its number in the year of this world; see `error_of`.

        One that was met before keeps its number.
        """
        lines = [line for line in self.lines("met") if line["world"] == world.id]
        known = (line["number"] for line in lines if line["challenger"] == id_)
        number: int | None = next(known, None)
        if number is None:
            number = self.next_number(world)
            self.write(
                "met", world=world.id, challenger=id_, number=number, year=self._year(world),
                candidate=dict(candidate),
            )  # fmt: skip
        return Challenger(id_, candidate, number, error_of(number))

    def next_number(self, world: World) -> int:
        """Return the number of the next challenger in the year of a world, counted from 1."""
        year, lines = self._year(world), self.lines("met")
        found = [m for m in lines if m["world"] == world.id and m["year"] == year]
        return 1 + len(found)

    def _year(self, world: World) -> int:
        """Return which year of a world it is, counted from 0; a clock put back begins none."""
        began = next(line["at"] for line in self.lines("world") if line["id"] == world.id)
        days = (datetime.now().astimezone() - datetime.fromisoformat(began)).days
        return max(int(days / YEAR_DAYS), 0)

    def open_challengers(self, world: World) -> list[Challenger]:
        """Return the challengers of a world about which nothing was decided."""
        closed = self.closed(world)
        return [
            Challenger(line["challenger"], line["candidate"], line["number"],
                       error_of(line["number"]))
            for line in self.lines("met")
            if line["world"] == world.id and line["challenger"] not in closed
        ]  # fmt: skip

    def closed(self, world: World) -> set[str]:
        """Return the challengers of a world that were decided about."""
        lines = self.lines("closed")
        return {line["challenger"] for line in lines if line["world"] == world.id}

    def nights_of(self, world: World, challenger: Challenger) -> int:
        """Return in how many nights of a world a challenger was compared."""
        nights = (line for line in self.lines("night") if line["world"] == world.id)
        met = [line for line in nights if (line["challenger"] or {}).get("id") == challenger.id]
        return len(met)

    def close(self, world: str, challenger: Challenger, why: str) -> None:
        """Write down that a challenger is decided about, for as long as the world lasts."""
        self.write("closed", world=world, challenger=challenger.id, why=why)

    def close_all(self, candidate: Candidate, why: str) -> None:
        """Write down that nobody with these settings is to be tried again, in any world."""
        for line in self.lines("met"):
            if line["candidate"] == dict(candidate):
                found = Challenger(line["challenger"], candidate, line["number"], 0.0)
                self.close(line["world"], found, why)

    def killed(self) -> Line | None:
        """Return the line with which the night before this one began, None where that ended."""
        told = [line for line in self.lines() if line["what"] in ("begun", "night")][:-1]
        return told[-1] if told and told[-1]["what"] == "begun" else None

    def duel_folder(self, world: World, challenger: Challenger) -> Path:
        """Return where the requests lie that a challenger was compared with."""
        return self.folder / "duels" / f"{world.id[:12]}-{challenger.id[:12]}"


def _line(number: int, text: bytes, path: Path) -> Line:
    try:
        line = json.loads(text)
        if not isinstance(line["what"], str):
            raise ValueError("what: expected a text")
        if datetime.fromisoformat(line["at"]).tzinfo is None:
            raise ValueError(f"at: expected an instant with its zone, found {line['at']!r}")
        for name, kind in _FIELDS.get(line["what"], {}).items():
            if name not in line:
                raise ValueError(f"{line['what']}: {name} is missing")
            if not isinstance(line[name], kind):
                raise ValueError(f"{name}: found {line[name]!r}")
    except (ValueError, KeyError, TypeError, RecursionError) as broken:
        raise InputError(
            f"{path}, line {number}: no line of a ledger ({broken}); move the file away to begin "
            "a new one: what serves stays as it is"
        ) from None
    return dict(line)


def ledger_folder(deployment: Deployment) -> Path:
    """Return the folder of what is kept of the nights of a name in service."""
    return folder_at(base_of(deployment))


def folder_at(base: Path) -> Path:
    """Return that folder by the path that all files about the name begin with."""
    return base.parent / NIGHTS / base.name


@contextlib.contextmanager
def opened(deployment: Deployment) -> Iterator[Ledger]:
    """Hold the ledger of a name for this process alone.

    Raises Locked while another night of the name goes on, InputError where nothing can be written.
    """
    folder = ledger_folder(deployment)
    taken = f"another tune retune works on {deployment.name}; wait until it has ended"
    with locked_state(folder / LOCK, taken, _HOLDS):
        yield Ledger(folder)
