"""What a comparison of searches says: Markdown tables made from its runs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from bench.worlds import worlds
from bench.worlds.truth import best_p99, landscape
from tuner.spec.values import Setting

NEAR = 1.1
"""A p99 within this factor of the best counts as near it."""

REFERENCE = "random"

PENALTY = 2.0
"""An unproven run counts as so many budgets in `penalised_s` (PAR2 of solver competitions)."""


@dataclass(frozen=True, slots=True)
class Run:
    """What one run brought; `proven_s` is the simulated time of the proof, None without one.

    `feasible`, `p99_s` and `late_rate` are the truth about the chosen candidate.
    """

    mode: str
    world: str
    strategy: str
    seed: int
    verdict: str
    proven_s: float | None = None
    candidate: Mapping[str, Setting] = field(default_factory=dict)
    feasible: bool = False
    p99_s: float | None = None
    late_rate: float | None = None
    trials: int = 0
    requests: int = 0
    restarts: int = 0
    cpu_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Cell:
    """The runs of one strategy in one world, in numbers; inf stands for never."""

    runs: int
    proven: float
    proven_s: float
    penalised_s: float
    chosen: float
    near: float
    wrong: int
    cpu_s: float


def cell(runs: Sequence[Run], best_s: float, budget_s: float) -> Cell:
    """Sum up the runs of one strategy in one world.

    An unproven run counts as an infinite time in the median and as PENALTY budgets in the
    mean; a choice that is infeasible in truth as infinitely far from the best.
    """
    ratios = [r.p99_s / best_s if r.feasible and r.p99_s else math.inf for r in runs]
    return Cell(
        len(runs),
        sum(r.verdict == "PASS" for r in runs) / len(runs),
        median(math.inf if r.proven_s is None else r.proven_s for r in runs),
        sum(PENALTY * budget_s if r.proven_s is None else r.proven_s for r in runs) / len(runs),
        median(ratios),
        sum(r <= NEAR for r in ratios) / len(runs),
        sum(r.verdict == "PASS" and not r.feasible for r in runs),
        median(r.cpu_s for r in runs),
    )


def ratio(ours: float, theirs: float) -> float:
    """Return a ratio of times; two that never end are equal."""
    if math.isinf(ours) and math.isinf(theirs):
        return 1.0
    return ours / theirs if theirs else math.inf


def tables(runs: Sequence[Run]) -> list[str]:
    """Return a table for each world, one of all worlds, and the summary."""
    cells = cells_of(runs)
    lines = [line for name in cells for line in (*_world_lines(name, cells[name]), "")]
    return [*lines, *overview(runs), "", *summary(cells)]


def cells_of(runs: Sequence[Run]) -> dict[str, dict[str, Cell]]:
    """Return world -> strategy -> what its runs brought."""
    names = list(dict.fromkeys(r.world for r in runs))
    strategies = list(dict.fromkeys(r.strategy for r in runs))
    cells: dict[str, dict[str, Cell]] = {}
    for name in names:
        found = {s: [r for r in runs if (r.world, r.strategy) == (name, s)] for s in strategies}
        best, budget_s = best_p99(worlds()[name]), worlds()[name].budget_s
        cells[name] = {s: cell(mine, best, budget_s) for s, mine in found.items() if mine}
    return cells


def overview(runs: Sequence[Run]) -> list[str]:
    """Return a line for each world with what matters of each strategy.

    Of proofs: runs that proved a candidate, and PAR2. Of quality: runs whose choice is feasible
    in truth and within NEAR of the best p99.
    """
    cells = cells_of(runs)
    strategies = list(dict.fromkeys(s for found in cells.values() for s in found))
    shown = _near if runs[0].mode == "quality" else _proven
    lines = [
        "| world (split) | candidates, feasible | " + " | ".join(strategies) + " |",
        "|---|---|" + "---|" * len(strategies),
    ]
    for name, found in cells.items():
        world, land = worlds()[name], landscape(worlds()[name])
        share = f"{land.feasible_share:.1%}" if land.feasible_share else "none"
        mine = " | ".join(shown(found[s]) if s in found else "-" for s in strategies)
        lines.append(f"| {name} ({world.split}) | {land.size}, {share} | {mine} |")
    return lines


def _proven(c: Cell) -> str:
    return f"{c.proven:.0%}, {_seconds(c.penalised_s)}"


def _near(c: Cell) -> str:
    return f"{round(c.near * c.runs)} of {c.runs}"


def _world_lines(name: str, cells: Mapping[str, Cell]) -> list[str]:
    world, land = worlds()[name], landscape(worlds()[name])
    lines = [
        f"### {name} ({world.split}): {world.about}",
        f"{len(world.space)} knobs, {land.size} candidates, {land.feasible_share:.1%} feasible, "
        f"target {world.target_s * 1000:.0f} ms, best p99 {_ms(land.best_p99_s)}",
        "",
        "| strategy | runs | proven | median time to proof | / random's | PAR2 | / random's |"
        " chosen p99 / best | within 10 % | wrongly proven | CPU s |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    reference = cells.get(REFERENCE)
    for strategy, c in cells.items():
        times = _times(ratio(c.proven_s, reference.proven_s)) if reference else "?"
        penalised = _times(c.penalised_s / reference.penalised_s) if reference else "?"
        lines.append(
            f"| {strategy} | {c.runs} | {c.proven:.0%} | {_seconds(c.proven_s)} | {times} | "
            f"{_seconds(c.penalised_s)} | {penalised} | {_times(c.chosen)} | "
            f"{c.near:.0%} | {c.wrong} | {c.cpu_s:.1f} |"
        )
    return lines


def summary(cells: Mapping[str, Mapping[str, Cell]]) -> list[str]:
    """Return a row for each strategy over the worlds in which something is feasible."""
    strategies = list(dict.fromkeys(s for found in cells.values() for s in found))
    possible = {n: c for n, c in cells.items() if math.isfinite(best_p99(worlds()[n]))}
    lines = [
        f"### Summary over {len(possible)} worlds with a feasible candidate",
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
        if mine:
            lines.append(_summary_row(strategy, mine, possible))
    return lines


def _summary_row(
    strategy: str, mine: Mapping[str, Cell], cells: Mapping[str, Mapping[str, Cell]]
) -> str:
    known = {n: c for n, c in mine.items() if REFERENCE in cells[n]}
    medians = [ratio(c.proven_s, cells[n][REFERENCE].proven_s) for n, c in known.items()]
    means = [c.penalised_s / cells[n][REFERENCE].penalised_s for n, c in known.items()]
    to_best = {
        n: c.penalised_s / min(o.penalised_s for s, o in cells[n].items() if s != strategy)
        for n, c in mine.items()
        if len(cells[n]) > 1
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


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if math.isfinite(seconds) else "none"


def _seconds(seconds: float) -> str:
    return f"{seconds:.0f} s" if math.isfinite(seconds) else "never"


def _times(factor: float) -> str:
    return f"{factor:.2f}" if math.isfinite(factor) else "inf"
