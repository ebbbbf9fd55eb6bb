"""The session of a run: begun, or continued where an earlier part of the run ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from tuner.engines.base import Engine
from tuner.spec.study import Study
from tuner.store.trial_folder import Spent, StoredTrial
from tuner.workflow.beside.gate import Gate
from tuner.workflow.measuring.session import Session

WRAP_UP_S = 3.0
"""Seconds of the budget that are left for stopping the engine and writing the result."""


def begin(
    study: Study,
    engine: Engine,
    out: Path,
    stored: Sequence[StoredTrial],
    about: str,
    gate: Gate | None,
    ends_in: Callable[[], float],
    budget_s: float | None = None,
) -> Session:
    """Return the session; its counts go on where an earlier part of the run ended.

    `budget_s` replaces the study's own; that of earlier parts is included.
    """
    served = [t.measured.effective for t in stored if t.measured.effective]
    starts = 0 if study.one_start else max((e.engine_start for e in served), default=0)
    return Session(
        study,
        engine,
        out,
        (study.budget_s if budget_s is None else budget_s) - WRAP_UP_S,
        stored[-1].spent if stored else Spent(),
        starts,
        served[-1].version if served else None,
        {t.name: t.measured.machine for t in stored if t.measured.machine},
        about,
        [e.start for e in served if e.start is not None and e.changed == "restart"],
        gate,
        lambda: ends_in() - WRAP_UP_S,
    )
