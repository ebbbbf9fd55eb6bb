"""What a running server tells of itself: a few requests of our own, and its page of metrics."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tuner.advice.diagnosis.figures import Figures
from tuner.engines.base import CountsLatencies, Engine
from tuner.engines.latency_counts import LatencyCounts, Steps, grown
from tuner.evaluate.lateness import Terms
from tuner.report.documents import measurement_document
from tuner.spec.study import Study
from tuner.store.run_folder import claimed
from tuner.store.trial_folder import Place
from tuner.workflow.advising.measured_figures import Told, told_by
from tuner.workflow.checking.check import fresh_prompts
from tuner.workflow.checking.serving import Serving
from tuner.workflow.measuring.candidates import all_knobs
from tuner.workflow.measuring.environment import environment
from tuner.workflow.measuring.measure import evaluated
from tuner.workflow.measuring.session import Session
from tuner.workflow.measuring.trial_spec import TrialSpec

LEAST_FOR_P99 = 100
"""Fewer requests carry no p99."""

ALL = float("inf")


async def from_server(
    serves: Serving, out: Path, requests: int, progress: Callable[[str], None] = lambda line: None
) -> Told:
    """Return what a server tells, by so many requests and by what it counts.

    They go out one after another, so that none waits for one of ours, and beside those of others.
    Raises EngineError where nothing answers.
    """
    study = _one_by_one(serves.study)
    with claimed(out):
        session = Session(study, serves.engine, out, math.inf)
        before, began = await _counters(serves.engine), asyncio.get_running_loop().time()
        spec = TrialSpec("0000", Place("check"), fresh_prompts(study), requests)
        try:
            measured = await session.measure(serves.sent, spec)
            after, took = await _counters(serves.engine), asyncio.get_running_loop().time() - began
        finally:
            await session.aclose(progress)
    found = evaluated(study, serves.sent, measured, Terms())
    facts = environment(serves.engine, measured.effective.version if measured.effective else None)
    document, knobs = measurement_document(found, study, facts), all_knobs(serves.engine)
    told = told_by(document, found.samples, knobs)
    progress(f"samples: {out}")
    return replace(told, figures=with_others(told.figures, found.n, before, after, took))


def _one_by_one(study: Study) -> Study:
    load = replace(study.workload.load, rate=None, concurrency=1, client_processes=1)
    return replace(study, workload=replace(study.workload, load=load))


async def _counters(engine: Engine) -> LatencyCounts | None:
    return await engine.latency_counts() if isinstance(engine, CountsLatencies) else None


def with_others(
    own: Figures, n: int, before: LatencyCounts | None, after: LatencyCounts | None, took: float
) -> Figures:
    """Return the figures of our own requests beside those of others, which a server counts.

    What others send is unknown without counters, so that a loop of our own tells no load; few
    requests of ours carry no p99. Counters tell the rate of all requests while ours were sent, and
    with enough of them the latencies of all since the server started.
    """
    found = replace(own, in_flight=None, rate=None)
    if n < LEAST_FOR_P99:
        found = replace(
            found, p99=None, p99_low=None, p99_high=None, queue_p99=None, prefill_p99=None
        )
    if before is None or after is None or took <= 0:
        return found
    since = grown(before, after)
    counted = since.steps.get("e2e") if since else None
    if counted:
        found = replace(found, rate=counted[ALL] / took or None)
    every = after.steps.get("e2e", {})
    if every.get(ALL, 0) < LEAST_FOR_P99:
        return found
    p50, p99 = (_from_steps(every, q) for q in (0.5, 0.99))
    return found if p50 is None or p99 is None else _of_all(found, p50, p99)


def _of_all(found: Figures, p50: float, p99: float) -> Figures:
    """Return figures with the latencies of all requests; the parts of ours are then not theirs."""
    return replace(
        found, p50=p50, p99=max(p50, p99), p99_low=None, p99_high=None, ttft_p50=None,
        prefill=None, prefill_p99=None,
        decode=None, queue=None, queue_p99=None, network=None,
    )  # fmt: skip


def _from_steps(steps: Steps, q: float) -> float | None:
    """Return a quantile of a histogram, in proportion between two edges; None beyond the last."""
    wanted, below, least = q * steps[ALL], 0.0, 0.0
    for edge in sorted(steps):
        count = steps[edge]
        if count >= wanted:
            if math.isinf(edge):
                return None
            share = (wanted - below) / (count - below) if count > below else 1.0
            return least + (edge - least) * share
        below, least = count, edge
    return None
