"""What the nights came to: as JSON, and as Markdown tables."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from scipy import stats

from bench.nights.questions import Found, Years

RECORDED = Path(__file__).parents[1] / "recorded" / "nights.json"


@dataclass(frozen=True, slots=True)
class Record:
    """A recorded simulation: when, of which commit, with which seed, and what it came to."""

    date: str
    commit: str
    seed: int
    years: tuple[Years, ...]
    found: tuple[Found, ...]


def read(path: Path) -> Record:
    """Return what was recorded."""
    told = json.loads(path.read_text(encoding="utf-8"))
    years = tuple(Years(**row) for row in told["years"])
    found = tuple(Found(**{**row, "nights": tuple(row["nights"])}) for row in told["found"])
    return Record(told["date"], told["commit"], told["seed"], years, found)


def write(path: Path, record: Record) -> None:
    """Record it, one row a line."""
    told = asdict(record)
    lists = (f'"{key}": [\n{_rows(told.pop(key))}\n]' for key in ("years", "found"))
    text = ",\n".join(lists)
    head = json.dumps({"schema": "tuner.nights-bench/1", **told})[:-1]
    path.write_text(f"{head},\n{text}}}\n", encoding="utf-8")


def tables(record: Record) -> str:
    """Return the tables of years without a better one, and of nights until one serves."""
    return "\n".join([*_years(record.years), "", *_found(record.found)])


def _years(rows: Iterable[Years]) -> Iterator[str]:
    yield "| world | way | years with a wrong promotion | with a harmful one | promotions a year |"
    yield "|---|---|---|---|---|"
    for r in rows:
        wrong, harmful = share(r.wrong, r.years), share(r.harmful, r.years)
        yield f"| {r.world} | {r.way} | {wrong} | {harmful} | {r.promotions / r.years:.2g} |"


def _found(rows: Iterable[Found]) -> Iterator[str]:
    yield (
        "| world | way | serves within 3 nights | nights: median, nine of ten runs "
        "| runs with a wrong promotion | with a harmful one |"
    )
    yield "|---|---|---|---|---|---|"
    for r in rows:
        runs = len(r.nights)
        soon, wrong, harmful = (share(n, runs) for n in (r.soon, r.wrong, r.harmful))
        nights = ", ".join(_nights(r.quantile(part)) for part in (0.5, 0.9))
        yield f"| {r.world} | {r.way} | {soon} | {nights} | {wrong} | {harmful} |"


def share(hits: int, runs: int) -> str:
    """Return hits of runs with the exact interval of 95 % (Clopper and Pearson 1934)."""
    found = stats.binomtest(hits, runs).proportion_ci()
    return f"{hits} of {runs}: {hits / runs:.1%} [{found.low:.1%}, {found.high:.1%}]"


def _nights(count: float) -> str:
    return "never" if math.isinf(count) else f"{count:g}"


def _rows(rows: Iterable[dict[str, Any]]) -> str:
    return ",\n".join(json.dumps(row) for row in rows)
