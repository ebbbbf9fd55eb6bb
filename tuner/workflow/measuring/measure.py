"""Measure one candidate: a given number of requests, or until its verdict falls."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tuner.engines.base import Engine
from tuner.engines.registry import create
from tuner.evaluate import failures
from tuner.evaluate.lateness import Terms
from tuner.evaluate.measured import Measured
from tuner.evaluate.measurement import Measurement, measurement
from tuner.report.documents import measurement_document
from tuner.spec.errors import EngineDied, InputError
from tuner.spec.requests.workload import Supply
from tuner.spec.study import Study
from tuner.spec.values import Candidate, Sample, Setting
from tuner.store.run_folder import claimed, write_json
from tuner.store.trial_folder import Place
from tuner.workflow.measuring.candidates import baseline, fit_to_engine
from tuner.workflow.measuring.environment import environment
from tuner.workflow.measuring.session import Session
from tuner.workflow.measuring.trial_spec import StopRule, TrialSpec
from tuner.workflow.measuring.verdict_so_far import VerdictSoFar

UNBOUNDED = 10**9

EVERY = 25
"""Progress is told each time after this many requests."""


async def measure(
    study: Study,
    out: Path,
    *,
    settings: Mapping[str, Setting] | None = None,
    requests: int | None = 300,
    until_decided: bool = False,
    progress: Callable[[str], None] = lambda line: None,
    engine: Engine | None = None,
) -> tuple[Measurement, dict[str, Any]]:
    """Measure the baseline with `settings` on top; return the measurement and its environment.

    Sends `requests` prompts. With `until_decided` it ends instead when every SLO has a verdict or
    the study's budget is used up. Raises InputError, and EngineDied when nothing was measured.
    """
    if until_decided and not study.slos:
        raise InputError("--until-decided needs a target: --target-p99 MS or slo in the study")
    held_out = study.workload.held_out and until_decided
    prompts = Supply(study.workload, held_out=held_out, seed=study.seed).prompts(study.seed)
    terms, n = Terms(), UNBOUNDED if until_decided else requests or 0
    with claimed(out):
        engine = engine or create(study, out / "engine")
        study, left_out = fit_to_engine(study, engine)
        for name, why in left_out.items():
            progress(f"{name} is left out: {why}")
        candidate = baseline(study, engine, settings)
        session = Session(study, engine, out, study.budget_s if until_decided else math.inf)
        stop = decided(session, terms, progress) if until_decided else _counting(progress)
        try:
            spec = TrialSpec("0000", Place("measure"), prompts, n, stop)
            measured = await session.measure(candidate, spec)
        finally:
            await session.aclose(progress)
    found = evaluated(study, candidate, measured, terms)
    facts = environment(engine, measured.effective.version if measured.effective else None)
    write_json(out / "measurement.json", measurement_document(found, study, facts))
    return found, facts


def evaluated(study: Study, candidate: Candidate, measured: Measured, terms: Terms) -> Measurement:
    """Return the measurement of a candidate; raise EngineDied, with what helps, where it failed."""
    if measured.failed:
        raise EngineDied(failures.with_next_step(measured.failed, study))
    return measurement(study, candidate, measured, terms)


def decided(
    session: Session,
    terms: Terms,
    progress: Callable[[str], None] = lambda line: None,
    least: int = 1,
) -> StopRule:
    """Return a stop rule that ends a trial when every SLO has a verdict, or time is up.

    It waits for `least` samples. Certificates hold at any time, so it may look at each sample.
    """
    so_far = VerdictSoFar(session.study, terms)

    def stop(sample: Sample) -> bool:
        so_far.add(sample)
        n = len(so_far.seen)
        found = so_far.verdicts() if n >= least else None
        if found and "UNDECIDED" not in found:
            return True
        if found or n % EVERY == 0:
            progress(f"{n} requests: {', '.join(found or ['UNDECIDED'])}")
        return session.left_s() <= 0

    return stop


def _counting(progress: Callable[[str], None]) -> StopRule:
    count = 0

    def stop(sample: Sample) -> bool:
        nonlocal count
        count += 1
        if count % EVERY == 0:
            progress(f"{count} requests")
        return False

    return stop
