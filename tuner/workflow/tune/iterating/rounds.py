"""A round of an iteration: what is kept of it, and how much time and error the next one has."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from tuner.search.budget import MOST_PROOF, Pace, expected_pace, proof_s
from tuner.search.error import MAX_ROUNDS, round_error
from tuner.search.prospect import Prospect, prospect
from tuner.search.result import Result
from tuner.spec.errors import InputError
from tuner.spec.study import Study
from tuner.spec.values import Candidate, Verdict
from tuner.store.run_folder import ROUNDS
from tuner.workflow.tune.searching.lesson import Earlier, trials_in


@dataclass(frozen=True, slots=True)
class Round:
    """A finished round: what it may have proven wrongly, what it came to, what another may bring.

    `failed` are the finalists that were shown to miss a target or a floor. `noise_floor` is a
    |log ratio|, None where nothing could be compared. `pace` is the one that it measured. With
    `lacks_requests` its best meets all as measured, and only more requests would show it.
    """

    number: int
    verdict: Verdict
    error: float
    seconds: float
    trials: int
    failed: tuple[Candidate, ...]
    noise_floor: float | None
    prospect: Prospect
    pace: Pace
    lacks_requests: bool

    def folder(self, out: Path) -> Path:
        """Return where it lies below the folder of the iteration."""
        return folder_of(out, self.number)

    @classmethod
    def of(cls, number: int, result: Result, before: Sequence[Path]) -> Round:
        """Return the round of a result; `before` are the folders of those before it."""
        earlier = trials_in(result.study, result.knobs, before)
        failed = tuple(m.candidate for m in result.finalists if m.verdict == "FAIL")
        return cls(
            number, result.verdict, result.study.error, result.spent["seconds"],
            len(result.trials), failed, result.noise_floor,
            prospect(result.study, [*earlier, *result.trials], result.plan.trials),
            result.plan.pace, _lacks_requests(result),
        )  # fmt: skip


def _lacks_requests(result: Result) -> bool:
    """Tell whether the best is undecided though nothing that was measured speaks against it."""
    best, guard = result.best, result.study.guard
    if best is None or result.verdict != "UNDECIDED":
        return False
    slow = any(c.late > (1 - slo.quantile) * c.n for slo, c in best.certificates.items())
    found = best.guard
    floors = (
        (found.valid.value, guard.min_valid),
        (found.correct.value, guard.min_correct),
        (found.difference.value, None if guard.max_drop is None else -guard.max_drop),
    )
    low = any(None not in (v, floor) and v < floor for v, floor in floors)  # type: ignore[operator]
    return not slow and not low


def folder_of(out: Path, number: int) -> Path:
    """Return the folder of a round, counted from 1."""
    return out / ROUNDS / str(number)


def earlier(out: Path, rounds: Sequence[Round]) -> Earlier:
    """Return what the next round is told of those before it."""
    failed = [candidate for r in rounds for candidate in r.failed]
    return Earlier([r.folder(out) for r in rounds], failed)


def left_s(study: Study, rounds: Sequence[Round]) -> float:
    """Return the seconds of the budget, which is for all rounds together, that are left."""
    return study.budget_s - sum(r.seconds for r in rounds)


def least_s(study: Study, rounds: Sequence[Round]) -> list[float]:
    """Return for each round to come the seconds in which it can prove a finalist it has to find."""
    pace = rounds[-1].pace if rounds else expected_pace(study)
    to_come = range(len(rounds) + 1, MAX_ROUNDS + 1)
    return [proof_s(_round_study(study, number), pace) / MOST_PROOF for number in to_come]


def next_study(study: Study, rounds: Sequence[Round]) -> Study | None:
    """Return the study of the next round, None where budget or error allow none.

    What is left is divided among as many rounds as it is enough for, as they need it. A first round
    is held however small the budget.
    """
    needed, left = least_s(study, rounds), left_s(study, rounds)
    fitting = sum(together <= left for together in itertools.accumulate(needed))
    count = fitting if rounds else max(fitting, 1)
    if not count:
        return None
    asked = _round_study(study, len(rounds) + 1)
    return replace(asked, budget_s=left * needed[0] / sum(needed[:count]))


def _round_study(study: Study, number: int) -> Study:
    return replace(study, error=round_error(number, study.error))


def document(one: Round) -> dict[str, Any]:
    """Return a round as JSON."""
    return asdict(one) | {"failed": list(one.failed), "folder": f"{ROUNDS}/{one.number}"}


def from_document(found: Mapping[str, Any], file: Path) -> Round:
    """Return the round that a document holds; raise InputError where it is none."""
    try:
        given = {name: value for name, value in found.items() if name != "folder"}
        given["failed"] = tuple(given["failed"])
        parts = {"prospect": Prospect(**given["prospect"]), "pace": Pace(**given["pace"])}
        return Round(**{**given, **parts})
    except (KeyError, TypeError, AttributeError) as broken:
        raise InputError(
            f"{file}: rounds: not as they were written ({broken}); name another --out"
        ) from None


def read_rounds(out: Path) -> list[Round]:
    """Return the finished rounds below a folder; raise InputError where they cannot be read."""
    file = out / "result.json"
    try:
        found = json.loads(file.read_text(encoding="utf-8"))["rounds"]
        return [from_document(one, file) for one in found]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError) as broken:
        raise InputError(
            f"{file}: not the result of rounds ({broken}); name another --out"
        ) from None
