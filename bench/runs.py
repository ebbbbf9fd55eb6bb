"""Runs of a comparison of searches: kept as JSON lines, summed up by world and strategy."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from bench.worlds import worlds
from bench.worlds.landscape import best_provable
from tuner.spec.values import Setting

NEAR = 1.1
"""A p99 within this factor of the best provable one counts as near it."""

PENALTY = 2.0
"""An unproven run counts as so many budgets in `penalised_s` (PAR2 of solver competitions)."""


@dataclass(frozen=True, slots=True)
class Run:
    """What one run brought; `proven_s` is the simulated time of the proof, None without one.

    `feasible`, `p99_s` and `late_rate` are the truth about the chosen candidate. `busy` is the
    share of the time in which the engine was at work, `starting` that in which it was started,
    `late_where_sent` the true late rate of the requests of its proof, in their starts and hours;
    they are None where they were not kept.
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
    busy: float | None = None
    late_where_sent: float | None = None
    starting: float | None = None

    @property
    def penalised_s(self) -> float:
        """Return the time to the proof, PENALTY budgets without one."""
        return PENALTY * worlds()[self.world].budget_s if self.proven_s is None else self.proven_s

    @property
    def to_best(self) -> float:
        """Return the chosen p99 over the best provable one, inf for an infeasible choice."""
        good = self.feasible and self.p99_s is not None
        return (self.p99_s or math.inf) / best_provable(worlds()[self.world]) if good else math.inf

    @property
    def near(self) -> bool:
        """Tell whether the choice is within NEAR of the best provable; never where none is."""
        return 0 < self.to_best <= NEAR

    @property
    def wrong(self) -> bool:
        """Tell whether something infeasible was named proven."""
        return self.verdict == "PASS" and not self.feasible

    @property
    def broken(self) -> bool:
        """Tell whether a proof was wrong about the very requests that it rests on."""
        allowed = 1 - worlds()[self.world].slo.quantile
        return self.verdict == "PASS" and (self.late_where_sent or 0.0) >= allowed


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


Cells = Mapping[str, Mapping[str, Cell]]
"""world -> strategy -> what its runs brought."""


def cell(runs: Sequence[Run]) -> Cell:
    """Sum up the runs of one strategy in one world; an unproven one has an infinite time."""
    return Cell(
        len(runs),
        sum(r.verdict == "PASS" for r in runs) / len(runs),
        median(math.inf if r.proven_s is None else r.proven_s for r in runs),
        sum(r.penalised_s for r in runs) / len(runs),
        median(r.to_best for r in runs),
        sum(r.near for r in runs) / len(runs),
        sum(r.wrong for r in runs),
        median(r.cpu_s for r in runs),
    )


def cells_of(runs: Sequence[Run]) -> Cells:
    """Return the cells of runs that are of one mode."""
    found: dict[str, dict[str, list[Run]]] = {}
    for run in runs:
        found.setdefault(run.world, {}).setdefault(run.strategy, []).append(run)
    order = list(dict.fromkeys(r.strategy for r in runs))
    return {
        name: {s: cell(mine[s]) for s in order if s in mine} for name, mine in found.items()
    }  # fmt: skip


def read(file: Path) -> list[Run]:
    """Return the runs of a file, none where there is no file yet."""
    if not file.exists():
        return []
    lines = file.read_text(encoding="utf-8").splitlines()
    return [Run(**json.loads(line)) for line in lines if line.strip()]
