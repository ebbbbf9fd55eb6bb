"""What earlier nights teach tonight's search: their trials where the world is the same.

What is older is less certain: machines and loads change. So noise is added to what was measured,
which grows with age. Where the world has changed, only which settings were best is taken over.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np

from tuner.search.trial import Trial
from tuner.spec.differences import differences
from tuner.spec.errors import TunerError
from tuner.spec.values import Candidate
from tuner.store.trial_folder import read_all
from tuner.workflow.measuring.candidates import all_knobs, complete
from tuner.workflow.nightly.comparing.tonight import Tonight
from tuner.workflow.nightly.ledger import Line
from tuner.workflow.service.journal import now
from tuner.workflow.tune.searching.trials import restored

MOST_NIGHTS = 30

NIGHT_SD = 0.02
"""Standard deviation by which a value (a log ratio, or a share) may have moved after a night; after
n nights it is the square root of n times that."""

FIRST = 2
"""So many of the best of earlier nights are tried first."""


@dataclass(frozen=True, slots=True)
class WarmStart:
    """What is known before a search: trials of earlier nights, and what to try first.

    `told` says what was taken over, and why not more; None in a first night.
    """

    trials: Sequence[Trial] = ()
    first: Sequence[Candidate] = ()
    told: str | None = None


def warm_start(tonight: Tonight) -> WarmStart:
    """Return what earlier nights are good for tonight, those that were cut off included."""
    nights = tonight.ledger.measured(but=tonight.out)
    same = [line for line in nights if line["world"] == tonight.world.id][-MOST_NIGHTS:]
    rng = np.random.default_rng([tonight.study.seed, len(nights)])
    if same:
        known = [trial for line in same for trial in _aged(tonight, line, rng)]
        told = f"{len(known)} trials of {len(same)} earlier nights inform the search"
        return WarmStart(known, _best(tonight, known), told if known else None)
    if not nights:
        return WarmStart()
    return WarmStart((), _best(tonight, _trials(tonight, nights[-1])), _stale(tonight, nights[-1]))


def _stale(tonight: Tonight, night: Line) -> str:
    """Say why the trials of an earlier night teach nothing of tonight."""
    last = tonight.ledger.facts_of(night["world"])
    found = differences(last, tonight.world.facts, tonight.world.facts) if last else ()
    unlike = "; ".join(f"{d.fact} was {d.a}, is {d.b}" for d in found[:3]) or "unknown"
    return (
        f"trials of earlier nights are stale ({unlike}): the search starts anew, with the old best "
        "first"
    )


def _best(tonight: Tonight, trials: Sequence[Trial]) -> list[Candidate]:
    """Return the best candidates of earlier nights that are still worth measuring."""
    ranked = sorted((t for t in trials if t.state == "complete"), key=Trial.rank)
    found: list[Candidate] = []
    for trial in ranked:
        candidate = complete(trial.candidate, all_knobs(tonight.engine))
        if candidate not in (tonight.base, *found) and len(found) < FIRST:
            found.append(candidate)
    return found


def _aged(tonight: Tonight, line: Line, rng: np.random.Generator) -> Iterator[Trial]:
    """Yield the trials of an earlier night, with noise for their age."""
    age = datetime.fromisoformat(now()) - datetime.fromisoformat(line["at"])
    sd = NIGHT_SD * math.sqrt(max(age.days, 1))
    for trial in _trials(tonight, line):
        moved = {name: v + sd * rng.standard_normal() for name, v in trial.violations.items()}
        value = trial.value + sd * rng.standard_normal()
        yield replace(trial, violations=moved, value=value)


def _trials(tonight: Tonight, line: Line) -> list[Trial]:
    """Return the trials of an earlier night; none where its folder is gone or cannot be read."""
    knobs = all_knobs(tonight.engine)
    try:
        found = restored(tonight.study, tonight.engine.knobs, read_all(Path(line["out"])))
    except TunerError as unreadable:
        tonight.watcher.note(f"the night of {line['at']} teaches nothing: {unreadable}")
        return []
    return [trial for trial in found if set(trial.candidate) <= set(knobs)]
