"""What comparisons of searches say: goals first, then Markdown tables made from the runs.

python -m bench.compared FILE.jsonl ...        what `python -m bench.search --out` wrote
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

from bench.ablations import ABLATIONS
from bench.goals import OURS, REFERENCE, SPLITS, goals, of_split, possible_ones
from bench.ratios import ratio
from bench.runs import Cell, Cells, Run, cells_of, read
from bench.strategies import RIVALS
from bench.worlds import worlds
from bench.worlds.landscape import best_p99, landscape


def report(runs: Sequence[Run]) -> list[str]:
    """Return the goals, and for each mode of the runs its tables."""
    lines = ["## Goals", "", *goals(runs)]
    for mode in dict.fromkeys(r.mode for r in runs):
        lines += ["", f"## {mode}", "", *tables([r for r in runs if r.mode == mode])]
    return lines


def ablated(runs: Sequence[Run]) -> list[str]:
    """Return a line for each idea that was taken away: the time to a proof without it, and with.

    Above 1 the idea pays, below 1 the search is better off without it.
    """
    possible = possible_ones(runs)
    names = [s for s in dict.fromkeys(r.strategy for r in possible) if s in ABLATIONS]
    if not names:
        return []
    lines = [
        "",
        "### Ablations: PAR2 / that of the whole search, median over worlds",
        "",
        "| strategy | " + " | ".join(SPLITS) + " |",
        "|---|" + "---|" * len(SPLITS),
    ]
    for name in names:
        found = [ratio(of_split(possible, split), name, OURS) for split in SPLITS]
        lines.append(f"| {name} | " + " | ".join(str(r) if r else "-" for r in found) + " |")
    return lines


def _quotient(ours: float, theirs: float) -> float:
    """Return a ratio of times; two that never end are equal."""
    if math.isinf(ours) and math.isinf(theirs):
        return 1.0
    return ours / theirs if theirs else math.inf


def tables(runs: Sequence[Run]) -> list[str]:
    """Return one table of all worlds, a summary for each split, and a table for each world."""
    cells = cells_of(runs)
    lines = overview(runs)
    for split in SPLITS:
        lines += ["", *summary(cells, split)]
    lines += ablated(runs)
    return [*lines, *(line for name in cells for line in ("", *_world_lines(name, cells[name])))]


def overview(runs: Sequence[Run]) -> list[str]:
    """Return a line for each world with what matters of each strategy.

    Of proofs: runs that proved a candidate, and PAR2. Of quality: runs whose choice is feasible
    in truth and near the best provable p99.
    """
    cells = cells_of(runs)
    strategies = list(dict.fromkeys(s for found in cells.values() for s in found))
    shown = _near if runs[0].mode == "quality" else _proven
    lines = [
        "| world (split) | candidates, feasible, provable | " + " | ".join(strategies) + " |",
        "|---|---|" + "---|" * len(strategies),
    ]
    for name, found in cells.items():
        world, land = worlds()[name], landscape(worlds()[name])
        space = f"{land.size}, {_share(land.feasible_share)}, {_share(land.provable_share)}"
        mine = " | ".join(shown(found[s]) if s in found else "-" for s in strategies)
        lines.append(f"| {name} ({world.split}) | {space} | {mine} |")
    return lines


def _share(share: float) -> str:
    return f"{share:.1%}" if share else "none"


def _proven(c: Cell) -> str:
    return f"{c.proven:.0%}, {_seconds(c.penalised_s)}"


def _near(c: Cell) -> str:
    return f"{round(c.near * c.runs)} of {c.runs}"


def _world_lines(name: str, cells: Mapping[str, Cell]) -> list[str]:
    world, land = worlds()[name], landscape(worlds()[name])
    lines = [
        f"### {name} ({world.split}): {world.about}",
        f"{len(world.space)} knobs, {land.size} candidates, {_share(land.feasible_share)} "
        f"feasible, {_share(land.provable_share)} provable; target {_ms(world.target_s)}, best p99 "
        f"{_ms(land.best_p99_s)}, of a provable one {_ms(land.best_provable_s)}",
        "",
        "| strategy | runs | proven | median time to proof | / random's | PAR2 | / random's |"
        " chosen p99 / best provable | within 10 % | wrongly proven | CPU s |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    reference = cells.get(REFERENCE)
    for strategy, c in cells.items():
        times = _times(_quotient(c.proven_s, reference.proven_s)) if reference else "?"
        penalised = _times(c.penalised_s / reference.penalised_s) if reference else "?"
        lines.append(
            f"| {strategy} | {c.runs} | {c.proven:.0%} | {_seconds(c.proven_s)} | {times} | "
            f"{_seconds(c.penalised_s)} | {penalised} | {_times(c.chosen)} | "
            f"{c.near:.0%} | {c.wrong} | {c.cpu_s:.1f} |"
        )
    return lines


def summary(cells: Cells, split: str) -> list[str]:
    """Return a row for each strategy over a split's worlds in which something is feasible."""
    possible = {
        n: c
        for n, c in cells.items()
        if worlds()[n].split == split and math.isfinite(best_p99(worlds()[n]))
    }
    if not possible:
        return []
    strategies = list(dict.fromkeys(s for found in possible.values() for s in found))
    lines = [
        f"### Summary over the {len(possible)} {split} worlds with a feasible candidate",
        "",
        "PAR2 is the mean time to proof, an unproven run counting as twice its budget.",
        "",
        "| strategy | proven | median time to proof / random's, median over worlds |"
        " PAR2 / random's, median over worlds | PAR2 / best other's, worst world |"
        " within 10 % | wrongly proven |",
        "|---|---|---|---|---|---|---|",
    ]
    for strategy in strategies:
        mine = {n: c[strategy] for n, c in possible.items() if strategy in c}
        lines.append(_summary_row(strategy, mine, possible))
    return lines


def _summary_row(strategy: str, mine: Mapping[str, Cell], cells: Cells) -> str:
    known = {n: c for n, c in mine.items() if REFERENCE in cells[n]}
    medians = [_quotient(c.proven_s, cells[n][REFERENCE].proven_s) for n, c in known.items()]
    means = [c.penalised_s / cells[n][REFERENCE].penalised_s for n, c in known.items()]
    to_best = {
        n: max(c.penalised_s / cells[n][r].penalised_s for r in _rivals(cells, n, strategy))
        for n, c in mine.items()
        if _rivals(cells, n, strategy)
    }
    worst = max(to_best, key=to_best.__getitem__, default=None)
    proven = sum(c.proven for c in mine.values()) / len(mine)
    near = sum(c.near for c in mine.values()) / len(mine)
    wrong = sum(c.wrong for c in mine.values())
    named = f"{_times(to_best[worst])} ({worst})" if worst else "?"
    return (
        f"| {strategy} | {proven:.0%} | {_times(median(medians)) if medians else '?'} | "
        f"{_times(median(means)) if means else '?'} | {named} | {near:.0%} | {wrong} |"
    )


def _rivals(cells: Cells, name: str, strategy: str) -> list[str]:
    """Return the other strategies of a world that a user could have instead."""
    return [s for s in cells[name] if s != strategy and (s in RIVALS or s == "ours")]


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if math.isfinite(seconds) else "none"


def _seconds(seconds: float) -> str:
    return f"{seconds:.0f} s" if math.isfinite(seconds) else "never"


def _times(factor: float) -> str:
    return f"{factor:.2f}" if math.isfinite(factor) else "inf"


def main() -> None:
    """Print what the runs of the files that are named say."""
    runs = [run for file in sys.argv[1:] for run in read(Path(file))]
    if not runs:
        raise SystemExit("name files of runs: python -m bench.compared FILE.jsonl ...")
    print("\n".join(report(runs)))


if __name__ == "__main__":
    main()
