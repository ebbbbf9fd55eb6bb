"""How often verdicts are wrong where requests hang together, and what a PASS costs.

    python -m bench.dependent [--runs N] [--only PART ...] [--label WORD --out FILE.json]
    python -m bench.dependent --read FILE.json        prints what was recorded

With `--out` a run is put beside those that the file already has; of a run with the same label it
takes the place of what both have.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from zlib import crc32

import numpy as np

from bench.dependent.prices import prices
from bench.dependent.record import Outcome, Run, merged, outcome, read, tables, write
from bench.dependent.rows import rows

PRICES = "prices"


def main() -> None:
    """Run and record, or print what was recorded."""
    given = _parser().parse_args()
    if given.read:
        print(tables(read(given.read)))
        return
    run = Run(
        label=given.label,
        date=date.today().isoformat(),
        commit=_commit(),
        seed=given.seed,
        outcomes=tuple(_outcomes(given.runs, given.seed, given.only)),
        prices=tuple(prices(given.price_runs, given.seed)) if _wanted(PRICES, given.only) else (),
    )
    if given.out:
        write(given.out, merged(read(given.out), run))
    print(tables([run]))


def _outcomes(runs: int, seed: int, only: list[str]) -> Iterator[Outcome]:
    for row in rows():
        if _wanted(row.part, only):
            rng = np.random.default_rng([seed, crc32(row.name.encode())])
            told = [row.trial(rng) for _ in range(max(1, round(row.runs * runs)))]
            yield (found := outcome(row, told))
            print(f"{row.name}: {found.wrong} of {found.runs} wrong", file=sys.stderr)


def _wanted(part: str, only: list[str]) -> bool:
    return not only or part in only


def _commit() -> str:
    asked = ["git", "rev-parse", "--short", "HEAD"]
    return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench.dependent",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parts = [*dict.fromkeys(row.part for row in rows()), PRICES]
    parser.add_argument("--runs", type=int, default=1000, help="runs of each row")
    parser.add_argument("--price-runs", type=int, default=200, help="runs of each price")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="+", choices=parts, default=[], help="only these parts")
    parser.add_argument("--label", default="now", help="which state of the product this is")
    parser.add_argument("--out", type=Path, help="where to record the run")
    parser.add_argument("--read", type=Path, help="print this record instead of running")
    return parser


if __name__ == "__main__":
    main()
