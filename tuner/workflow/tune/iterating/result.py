"""The result of an iteration: that of its best round, with the rounds and why no other came."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuner.report.result import as_text
from tuner.report.rounds import show_rounds
from tuner.spec.study import Study
from tuner.store.run_folder import write_json, writing
from tuner.workflow.tune.iterating.ending import Ending
from tuner.workflow.tune.iterating.rounds import Round, document

_ORDER = {"PASS": 0, "UNDECIDED": 1, "FAIL": 2}


@dataclass(frozen=True, slots=True)
class Iterated:
    """The rounds of an iteration so far, and its result as JSON; `why` is None before it ends."""

    out: Path
    rounds: Sequence[Round]
    why: Ending | None
    document: Mapping[str, Any]

    @property
    def best(self) -> int:
        """Return the number of the round that the result is of."""
        return int(self.document["best_round"])

    @property
    def proven(self) -> bool:
        """Tell whether the target is proven."""
        return bool(self.document["verdict"] == "PASS")

    @property
    def report(self) -> str:
        """Return the report of the best round."""
        folder = self.rounds[self.best - 1].folder(self.out)
        return (folder / "report.txt").read_text(encoding="utf-8")


def written(study: Study, out: Path, rounds: Sequence[Round], why: Ending | None) -> Iterated:
    """Return the result of rounds, written into `out` with the artifacts of the best of them."""
    found = [_read(r.folder(out)) for r in rounds]
    best = best_of(found)
    names = list(found[best]["artifacts"])
    made = {
        **found[best],
        "artifacts": {name: str(out / name) for name in names},
        "spent": _together([d["spent"] for d in found]),
        "reasons": [*found[best]["reasons"], *_open(why)],
        "best_round": best + 1,
        "rounds": [document(r) for r in rounds],
        "iteration": {"ended": why.reason, "said": why.said} if why else None,
        "error": study.error,
    }
    for name in names:
        with writing(out / name):
            shutil.copy2(rounds[best].folder(out) / name, out / name)
    write_json(out / "result.json", made)
    result = Iterated(out, tuple(rounds), why, made)
    with writing(out / "report.txt"):
        text = as_text(show_rounds(made, result.report))
        (out / "report.txt").write_text(text, encoding="utf-8", errors="backslashreplace")
    return result


def _open(why: Ending | None) -> list[str]:
    return [why.said] if why is not None and why.reason != "proven" else []


def best_of(found: Sequence[Mapping[str, Any]]) -> int:
    """Return the place of the best result: proven, else undecided with most evidence."""

    def key(place: int) -> tuple[int, float, int]:
        verdicts = (found[place]["best"] or {}).get("verdicts", [])
        evidence = [math.inf if v["e_pass"] is None else v["e_pass"] for v in verdicts]
        return _ORDER[found[place]["verdict"]], -min(evidence, default=0.0), -place

    return min(range(len(found)), key=key)


def _together(spent: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: sum(s[name] for s in spent) for name in spent[0]}


def _read(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    return found
