"""Simulate years of nights in virtual time.

python -m bench.nights [--years 400] [--runs 200] [--seed 1] [--out FILE.json]
python -m bench.nights --read FILE.json        prints what was recorded
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import TypeVar

from bench.nights.questions import (
    AT_NIGHT,
    MET,
    MIXED,
    SHIFTS,
    YEARS,
    Found,
    Years,
    after_shift,
    met_late,
    years,
)
from bench.nights.record import Record, read, tables, write
from bench.nights.ways import WAYS

Row = TypeVar("Row", Years, Found)


def main() -> None:
    """Simulate and record, or print what was recorded."""
    given = _parser().parse_args()
    if given.read:
        print(tables(read(given.read)))
        return
    record = Record(
        date=date.today().isoformat(),
        commit=_commit(),
        seed=given.seed,
        years=tuple(_told(all_years(given.years, given.seed))),
        found=tuple(_told(all_found(given.runs, given.seed))),
    )
    if given.out:
        write(given.out, record)
    print(tables(record))


def all_years(count: int, seed: int) -> Iterator[Years]:
    """Yield the years of all ways in the world of all kinds, and of `kept` in the others."""
    for name in YEARS:
        for way in WAYS if name == MIXED else ["kept"]:
            yield years(name, way, count, seed)


def all_found(runs: int, seed: int) -> Iterator[Found]:
    """Yield how soon the better one serves, met late in a year or after a shift."""
    for name in MET:
        for way in WAYS if name == AT_NIGHT else ["kept"]:
            yield met_late(name, way, runs, seed)
    for name in SHIFTS:
        for way in WAYS:
            yield after_shift(name, way, runs, seed)


def _told(rows: Iterator[Row]) -> Iterator[Row]:
    for row in rows:
        print(f"{row.world}, {row.way}: {row.wrong} wrong", file=sys.stderr, flush=True)
        yield row


def _commit() -> str:
    asked = ["git", "rev-parse", "--short", "HEAD"]
    return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()


def _parser() -> argparse.ArgumentParser:
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python -m bench.nights", None, __doc__, formatter_class=plain)
    parser.add_argument("--years", type=int, default=400, help="years of each row")
    parser.add_argument("--runs", type=int, default=200, help="runs of each row")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="where to record what came")
    parser.add_argument("--read", type=Path, help="print this record instead of simulating")
    return parser


if __name__ == "__main__":
    main()
