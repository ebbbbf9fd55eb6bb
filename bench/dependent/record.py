"""What the rows and the prices came to: as JSON, and as Markdown tables."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from bench.dependent.prices import Price
from bench.dependent.rows import Row, Told

RECORDED = Path(__file__).parents[1] / "recorded" / "dependence.json"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the runs of one row were told: how many passed, and how many were told wrong."""

    part: str
    name: str
    promised: float | None
    runs: int
    passed: int
    wrong: int

    @property
    def error(self) -> float:
        """Return the standard error of the share told something wrong (Agresti and Coull)."""
        share = (self.wrong + 2) / (self.runs + 4)
        return math.sqrt(share * (1 - share) / (self.runs + 4))

    @property
    def kept(self) -> bool:
        """Tell whether the promise was kept, up to three standard errors of the simulation."""
        return self.promised is None or self.wrong / self.runs <= self.promised + 3 * self.error


@dataclass(frozen=True, slots=True)
class Run:
    """One recorded run of everything; `label` says of which state of the product."""

    label: str
    date: str
    commit: str
    seed: int
    outcomes: tuple[Outcome, ...]
    prices: tuple[Price, ...]


def read(path: Path) -> list[Run]:
    """Return the recorded runs, in order."""
    runs = json.loads(path.read_text(encoding="utf-8"))["runs"] if path.exists() else []
    return [_run(run) for run in runs]


def write(path: Path, runs: Iterable[Run]) -> None:
    """Record runs, one row of a run a line."""
    parts = ",\n".join(_as_text(asdict(run)) for run in runs)
    path.write_text(
        '{"schema": "tuner.dependence-bench/1", "runs": [\n' + parts + "\n]}\n", encoding="utf-8"
    )


def merged(runs: Sequence[Run], new: Run) -> list[Run]:
    """Return runs with one more, which keeps what only the one of its label had."""
    old = next((run for run in runs if run.label == new.label), new)
    outcomes = {o.name: o for o in (*old.outcomes, *new.outcomes)}
    prices = {(p.load, p.rate): p for p in (*old.prices, *new.prices)}
    whole = replace(new, outcomes=tuple(outcomes.values()), prices=tuple(prices.values()))
    return [run for run in runs if run.label != new.label] + [whole]


def tables(runs: Sequence[Run]) -> str:
    """Return the table of promises and that of prices, with columns for each run."""
    return "\n".join([*_promises(runs), "", *_prices(runs)])


def _promises(runs: Sequence[Run]) -> Iterator[str]:
    heads = [f"{run.label}: {what}" for run in runs for what in ("PASS", "wrong")]
    yield from _head("what", "promised", *heads)
    by_name = [{o.name: o for o in run.outcomes} for run in runs]
    for name in dict.fromkeys(o.name for run in runs for o in run.outcomes):
        found = [outcomes.get(name) for outcomes in by_name]
        promised = next(o.promised for o in reversed(found) if o)
        cells = [cell for o in found for cell in _shares(o)]
        yield _line([name, "nothing" if promised is None else f"{promised:.1%}", *cells])


def _shares(o: Outcome | None) -> Sequence[str]:
    if o is None:
        return "-", "-"
    wrong = f"{o.wrong / o.runs:.1%} ± {o.error:.1%}"
    return f"{o.passed / o.runs:.1%}", wrong if o.kept else f"**{wrong}**"


def _prices(runs: Sequence[Run]) -> Iterator[str]:
    yield from _head("load", "late", "cap", *(run.label for run in runs))
    by_case = [{(p.load, p.rate): p for p in run.prices} for run in runs]
    for case in dict.fromkeys((p.load, p.rate) for run in runs for p in run.prices):
        found = [prices.get(case) for prices in by_case]
        cap = next(p.cap for p in found if p)
        yield _line([case[0], f"{case[1]:.1%}", f"{cap:,}", *map(_cost, found)])


def _cost(p: Price | None) -> str:
    if p is None:
        return "-"
    if p.median is None:
        return f"none of {p.runs}"
    told = f"{p.median:,.0f} ({p.mean:,.0f})"
    return told if p.passed == p.runs else f"{told}, {p.passed} of {p.runs}"


def outcome(row: Row, told: Sequence[Told]) -> Outcome:
    """Return what the runs of a row came to."""
    return Outcome(
        part=row.part,
        name=row.name,
        promised=row.promised,
        runs=len(told),
        passed=sum(t.verdict == "PASS" for t in told),
        wrong=sum(t.wrong for t in told),
    )


def _run(found: Mapping[str, Any]) -> Run:
    outcomes = tuple(Outcome(**o) for o in found["outcomes"])
    prices = tuple(Price(**p) for p in found["prices"])
    return Run(**{**found, "outcomes": outcomes, "prices": prices})


def _as_text(run: dict[str, Any]) -> str:
    facts = {key: value for key, value in run.items() if key not in ("outcomes", "prices")}
    lists = (
        f'"{key}": [\n' + ",\n".join(json.dumps(row) for row in run[key]) + "\n]"
        for key in ("outcomes", "prices")
    )
    return json.dumps(facts)[:-1] + ", " + ",\n".join(lists) + "}"


def _head(*names: str) -> list[str]:
    return [_line(names), "|" + "---|" * len(names)]


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"
