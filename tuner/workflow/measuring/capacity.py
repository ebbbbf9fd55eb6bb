"""Find the highest load at which a configuration is still proven to meet its target."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

from tuner.engines.base import Engine
from tuner.engines.registry import create
from tuner.evaluate import failures
from tuner.evaluate.capacity import Capacity, Level
from tuner.evaluate.lateness import Terms
from tuner.report.capacity import capacity_document
from tuner.search.budget import LEAST_WAVES, proof_requests
from tuner.spec.errors import InputError
from tuner.spec.requests.workload import Supply, stretched
from tuner.spec.study import Study
from tuner.spec.values import Candidate, Setting
from tuner.store.run_folder import claimed, write_json
from tuner.store.trial_folder import Place
from tuner.workflow.measuring.candidates import baseline, fit_to_engine
from tuner.workflow.measuring.environment import environment
from tuner.workflow.measuring.measure import decided, evaluated
from tuner.workflow.measuring.session import Session
from tuner.workflow.measuring.trial_spec import TrialSpec

ALPHA = 0.05
"""The chance that the highest load named is too high."""

FINEST = 1.05
"""The least ratio of two rates that are told apart."""

PATIENCE = 3.0
"""A level stays undecided after this many times the fewest requests of a PASS."""


def path(lowest: float, highest: float, *, whole: bool) -> Generator[float, bool, None]:
    """Yield loads to try, and be sent whether each met the target.

    Doubles from `lowest` until a load fails or `highest` is met. Then it halves the gap until
    whole numbers are neighbours, or rates are within FINEST of each other. The answer is the
    highest load met, given that more load is never better.
    """
    met, size = None, lowest
    while (yield size):
        met = size
        if size >= highest:
            return
        size = min(2 * size, highest)
    failed = size
    while met is not None and (between := _between(met, failed, whole)) is not None:
        if (yield between):
            met = between
        else:
            failed = between


def _between(met: float, failed: float, whole: bool) -> float | None:
    if whole:
        return (met + failed) // 2 if failed - met > 1 else None
    return math.sqrt(met * failed) if failed / met > FINEST else None


def alpha_of_each(highest: float, *, whole: bool) -> float:
    """Return the error of each level's verdict, so that the answer's is ALPHA.

    Going up, only the first load that is too high can be named wrongly, since a fixed sequence
    needs no division of the error. After it each halving may try one more.
    """
    gap = highest / 2 if whole else math.log(2) / math.log(FINEST)
    return ALPHA / (1 + max(0, math.ceil(math.log2(gap))))


async def capacity(
    study: Study,
    out: Path,
    *,
    by_rate: bool = False,
    lowest: float = 1,
    highest: float = 256,
    settings: Mapping[str, Setting] | None = None,
    progress: Callable[[str], None] = lambda line: None,
    engine: Engine | None = None,
) -> tuple[Capacity, dict[str, object]]:
    """Return the levels that were measured, with the highest load that meets every SLO.

    The configuration is the study's baseline with `settings` on top. The engine is started once.
    Each level is measured until its verdict falls; an undecided one counts as not met. Raises
    InputError without an SLO, EngineDied when the engine does not serve. Also returns the facts
    of the environment.
    """
    if not study.slos:
        raise InputError("capacity needs a target: --target-p99 MS or slo in the study")
    terms = Terms(alpha=alpha_of_each(highest, whole=not by_rate))
    with claimed(out):
        engine = engine or create(study, out / "engine")
        study, _ = fit_to_engine(study, engine)
        candidate = baseline(study, engine, settings)
        session = Session(study, engine, out, study.budget_s)
        search = _Search(session, candidate, terms, by_rate, progress)
        try:
            complete = await search.along(path(lowest, highest, whole=not by_rate))
        finally:
            await session.aclose(progress)
    found = Capacity(tuple(search.levels), by_rate=by_rate, complete=complete)
    facts = environment(engine, session.version)
    write_json(out / "capacity.json", capacity_document(found, study, facts))
    return found, facts


@dataclass(slots=True)
class _Search:
    """The search for the highest load; `levels` holds what was measured."""

    session: Session
    candidate: Candidate
    terms: Terms
    by_rate: bool
    progress: Callable[[str], None]
    levels: list[Level] = field(default_factory=list)

    async def along(self, loads: Generator[float, bool, None]) -> bool:
        """Measure loads until there is none left, which is True, or the budget is used up."""
        study, size = self.session.study, cast(float | None, next(loads))
        while size is not None and self.session.left_s() > 0:
            self.session.study = _at(study, size, self.by_rate)
            level = await self._level(size)
            self.levels.append(level)
            self.progress(str(level))
            size = _next(loads, level.met)
        return size is None and self.session.left_s() > 0  # else a level may have been cut

    async def _level(self, size: float) -> Level:
        study, number = self.session.study, len(self.levels)
        supply = Supply(study.workload, held_out=False, seed=study.seed)
        least = LEAST_WAVES * study.workload.load.concurrency
        n = max(least, math.ceil(PATIENCE * proof_requests(study, self.terms.alpha)))
        stop = decided(self.session, self.terms, least=least)
        prompts = supply.prompts(study.seed + number)
        spec = TrialSpec(f"{number:04d}", Place("measure"), prompts, n, stop)
        measured = await self.session.measure(self.candidate, spec)
        if number and failures.refused(measured.counted):
            measured = replace(measured, failed=None)  # too much load: it served less
        return Level(size, study, evaluated(study, self.candidate, measured, self.terms))


def _next(loads: Generator[float, bool, None], met: bool) -> float | None:
    try:
        return loads.send(met)
    except StopIteration:
        return None


def _at(study: Study, size: float, by_rate: bool) -> Study:
    """Return the study under one load; a recording is stretched to a rate."""
    load, templates = study.workload.load, study.workload.templates
    if not by_rate:
        load = replace(load, rate=None, concurrency=int(size))
    elif load.arrivals == "trace" and load.rate is not None:
        templates = stretched(templates, load.rate, size)
        load = replace(load, rate=size)
    else:
        load = replace(load, rate=size)
    return replace(study, workload=replace(study.workload, load=load, templates=templates))
