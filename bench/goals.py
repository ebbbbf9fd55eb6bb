"""What was aimed at with the search, and what runs say of it, for each split of the worlds."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from scipy import stats

from bench.ratios import ratio
from bench.runs import Run, cells_of
from bench.strategies import RIVALS
from bench.worlds import worlds
from bench.worlds.landscape import landscape

OURS, REFERENCE, BOUND = "ours", "random", "oracle"

TIME = 0.6
"""Most of the reference's mean time (PAR2), in the median over worlds."""

WORST = 1.15
"""Most of the best rival's mean time, in any world."""

CHOSEN, IN_WORLDS = 17 / 20, 2 / 3
"""Least share of seeds with a choice near the best provable, and in which share of worlds."""

FAST, PROVEN, BUSY = ("fast", "fast-dear"), 18 / 20, 0.5
"""The fast servers, the share of runs to be proven there, and the engine's share of the time."""

ERROR = 0.05
"""The stated error of a run: of all its finalists and the baseline together."""

LUCK = 0.01
"""More wrong proofs than the stated error explains with this probability count as missed."""

SPLITS = ("held-out", "development")

Came = tuple[str, bool | None]
"""What came, in words, and whether it is what was aimed at; None where that cannot be said."""

Asked = Callable[[Sequence[Run]], Came]
"""Runs of the worlds of one split -> what came."""


@dataclass(frozen=True, slots=True)
class Goal:
    """One goal: the mode of the runs that it asks, and how."""

    mode: str
    aimed: str
    asked: Asked


def goals(runs: Sequence[Run]) -> list[str]:
    """Return a table of the goals that these runs say something of."""
    lines = [
        "| goal | " + " | ".join(SPLITS) + " |",
        "|---|" + "---|" * len(SPLITS),
    ]
    for goal in GOALS:
        mine = [r for r in runs if r.mode == goal.mode]
        found = [_told(goal, of_split(mine, s)) for s in SPLITS]
        if any(found):
            lines.append(f"| {goal.aimed} | " + " | ".join(text or "-" for text in found) + " |")
    return lines


def of_split(runs: Sequence[Run], split: str) -> list[Run]:
    """Return the runs in the worlds of a split."""
    return [r for r in runs if worlds()[r.world].split == split]


def _told(goal: Goal, runs: Sequence[Run]) -> str:
    if not any(r.strategy == OURS for r in runs):
        return ""
    text, reached = goal.asked(runs)
    if reached is None:
        return text
    return f"{text}: reached" if reached else f"**{text}: missed**"


def possible_ones(runs: Sequence[Run]) -> list[Run]:
    """Return the runs in worlds in which something is feasible."""
    return [r for r in runs if landscape(worlds()[r.world]).best is not None]


def time_to_proof(runs: Sequence[Run]) -> Came:
    """Say how the mean time to a proof stands to the reference's, in the median over worlds."""
    possible = possible_ones(runs)
    found, bound = (ratio(possible, s, REFERENCE) for s in (OURS, BOUND))
    if found is None:
        return "", None
    text = f"{found} (an oracle {bound.value:.2f})" if bound else f"{found}"
    return text, found.value <= TIME


def worst_world(runs: Sequence[Run]) -> Came:
    """Say how the mean time to a proof stands to the best rival's, in the worst world."""
    found = {
        name: max(c[OURS].penalised_s / c[r].penalised_s for r in c if r in RIVALS)
        for name, c in cells_of(possible_ones(runs)).items()
        if OURS in c and c.keys() & RIVALS.keys()
    }
    if not found:
        return "", None
    name = max(found, key=found.__getitem__)
    over = sum(times > WORST for times in found.values())
    text = f"{found[name]:.2f} ({name}); more than {WORST:.2f} in {over} of {len(found)} worlds"
    return text, over == 0


def near_best(runs: Sequence[Run]) -> Came:
    """Say in how many worlds the choice is mostly near the best provable."""
    possible = [
        c[OURS].near
        for n, c in cells_of(runs).items()
        if OURS in c and landscape(worlds()[n]).provable
    ]
    if not possible:
        return "", None
    good = sum(near >= CHOSEN for near in possible)
    return f"{good} of {len(possible)} worlds", good >= IN_WORLDS * len(possible)


def fast_server(runs: Sequence[Run]) -> Came:
    """Say how often the fast server is proven, and what of the time its engine is at work."""
    mine = [r for r in runs if r.world in FAST and r.strategy == OURS]
    if not mine:
        return "", None
    proven = sum(r.verdict == "PASS" for r in mine)
    busy = [r.busy for r in mine if r.busy is not None]
    at_work = median(busy) if busy else math.nan
    text = f"{proven} of {len(mine)} ({mine[0].world}), engine at work {at_work:.0%} of the time"
    return text, proven >= PROVEN * len(mine) and at_work >= BUSY


def wrong_proofs(runs: Sequence[Run]) -> Came:
    """Say how often something infeasible was named proven, where most."""
    mine = [r for r in runs if r.strategy == OURS]
    wrong = {n: [r.wrong for r in mine if r.world == n] for n in {r.world for r in mine}}
    name = max(sorted(wrong), key=lambda n: sum(wrong[n]) / len(wrong[n]))
    most, total = wrong[name], sum(map(sum, wrong.values()))
    unlikely = [n for n, w in wrong.items() if _beyond(sum(w), len(w))]
    text = f"{total} of {len(mine)}; most {sum(most)} of {len(most)} ({name})"
    if any(r.late_where_sent is not None for r in mine):
        text += f"; of the requests sent {sum(r.broken for r in mine)}"
    return text, not unlikely


def _beyond(wrong: int, runs: int) -> bool:
    """Tell whether the stated error explains so many wrong proofs with a small chance only."""
    return bool(stats.binom.sf(wrong - 1, runs, ERROR) < LUCK)


GOALS = (
    Goal("proof", f"time to a proof at most {TIME} of {REFERENCE}'s (mean time, an unproven run "
         "counting as two budgets; median over worlds)", time_to_proof),
    Goal("proof", f"never more than {WORST} of the best other strategy in any world", worst_world),
    Goal("quality", "chosen within 10 % of the best provable in 17 of 20 seeds, in two thirds of "
         "the worlds", near_best),
    Goal("proof", "the fast server proven in 18 of 20, the engine at work most of the time",
         fast_server),
    Goal("proof", f"nothing infeasible proven beyond the stated error of {ERROR:.0%}",
         wrong_proofs),
    Goal("quality", "nor at the end of the budget, beyond the same error", wrong_proofs),
)  # fmt: skip
