"""The main job: search, look again, prove on fresh prompts, write what goes into service."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from tuner.engines.base import Engine
from tuner.engines.registry import create
from tuner.guard.verdict import is_correct
from tuner.report.documents import result_document
from tuner.report.result import Result
from tuner.report.terminal import as_text, show_result
from tuner.search import hints
from tuner.search.budget import (
    ALPHAS,
    BASELINE_BLOCK_REQUESTS,
    BASELINE_BLOCKS,
    MAX_FINALISTS,
    plan,
)
from tuner.search.finalists import finalists
from tuner.search.propose import Proposer, Strategy, changes
from tuner.search.trial import Trial
from tuner.spec.errors import EngineDied, InputError
from tuner.spec.study import Study
from tuner.spec.values import Candidate
from tuner.stats.paired import pairs_needed
from tuner.workflow.candidates import baseline
from tuner.workflow.conclude import Proof, conclude
from tuner.workflow.confirm import (
    Side,
    complete_baseline,
    confirm,
    fastest_proof_s,
    held_out,
)
from tuner.workflow.folder import claim, write_json
from tuner.workflow.screen import Watcher, screen, shortlist
from tuner.workflow.session import Session

WRAP_UP_S = 3.0
"""Kept for stopping the engine and writing the result."""


def check(study: Study) -> None:
    """Raise InputError where a study cannot be tuned."""
    if not study.slos:
        raise InputError(
            f"{study.file or 'the study'}: no target; say --target-p99 MS or add slo to the study"
        )
    if not study.space:
        raise InputError(f"{study.file or 'the study'}: space: missing; name the knobs to search")
    if study.engine == "openai":
        raise InputError(
            "engine openai is a server that somebody else runs: it can be measured (tune measure), "
            "not tuned"
        )


async def run(
    study: Study,
    out: Path,
    watcher: Watcher,
    engine: Engine | None = None,
    strategy: Strategy | None = None,
) -> Result:
    """Tune a study into the folder `out`; `engine` and `strategy` replace the study's own.

    However it ends, the engine is stopped and every finished trial stays in `out`. Raises
    InputError, and EngineError where the engine is missing or nothing could be measured.
    """
    check(study)
    loop = asyncio.get_running_loop()
    began = loop.time()
    engine = engine or create(study, out / "engine")
    base = baseline(study, engine)
    session = Session(study, engine, claim(out), began + study.budget_s - WRAP_UP_S)
    proposer = strategy or _proposer(study, base, out / "study.db")
    try:
        plan_ = plan(study)
        watcher.phase("search")
        trials = await screen(session, proposer, base, plan_, watcher)
        _ensure_measurable(trials)
        watcher.phase("shortlist")
        until = session.deadline - plan_.confirmation_s
        trials = await shortlist(session, proposer, trials, base, watcher, until)
        watcher.phase("confirmation")
        proof = await _prove(session, trials, base, watcher)
    finally:
        with contextlib.ExitStack() as stack:
            stack.callback(proposer.close)
            await session.aclose()
    result = conclude(session, base, trials, proof, plan_, loop.time() - began)
    write_json(out / "result.json", result_document(result))
    (out / "report.txt").write_text(as_text(show_result(result)), encoding="utf-8")
    return result


def _proposer(study: Study, base: Candidate, storage: Path) -> Proposer:
    suggested = partial(hints.values, study)
    return Proposer(study.space, base, study.sampler, study.seed, storage, suggested)


def _ensure_measurable(trials: Sequence[Trial]) -> None:
    """Raise EngineDied when not one trial could be measured: searching on would be idle."""
    if not any(t.samples for t in trials):
        raise EngineDied(f"no candidate could be measured; the first failed so: {trials[0].reason}")


async def _prove(
    session: Session, trials: Sequence[Trial], base: Candidate, watcher: Watcher
) -> Proof:
    """Prove finalists one after the other until one is proven or time is up."""
    study = session.study
    fill = study.seed + 500_000
    proof = Proof(Side(base, "baseline", held_out(session, fill)))
    chosen = finalists(study, trials, base, MAX_FINALISTS)
    for number, trial in enumerate(chosen):
        if session.left_s() < 0.05 * study.budget_s and proof.sides:
            break
        watcher.note(f"finalist {number + 1}: {_changed_text(trial.candidate, base)}")
        watcher.note(_pairs_text(study, trial, trials[0]))
        side = Side(
            trial.candidate,
            f"finalist-{number + 1}",
            held_out(session, fill),
            screened=trial.samples,
        )
        proof.sides.append(side)
        now = await confirm(
            session,
            side,
            proof.baseline,
            ALPHAS[number],
            session.left_s,
            _next_needs_s(study, chosen, number),
            watcher.note,
        )
        proof.measured.append(now)
        if now.verdict == "PASS":
            break
    if not any(s.candidate == base for s in proof.sides):
        await complete_baseline(session, proof.baseline, session.left_s)
    return proof


def _next_needs_s(study: Study, chosen: Sequence[Trial], number: int) -> float:
    """Return the least seconds that proving the next finalist takes, infinite without one."""
    if number + 1 >= len(chosen):
        return math.inf
    served = [s.latency_s("e2e") for s in chosen[number + 1].samples if s.outcome == "ok"]
    pace_s = sum(served) / len(served) if served else math.inf
    return fastest_proof_s(study, ALPHAS[number + 1], pace_s)


def _pairs_text(study: Study, trial: Trial, control: Trial) -> str:
    """Say how many pairs the comparison with the baseline is expected to need."""
    margin, planned = study.guard.max_drop, BASELINE_BLOCKS * BASELINE_BLOCK_REQUESTS
    # screening asked both the same templates in the same order
    gaps = [
        is_correct(a) - is_correct(b) for a, b in zip(trial.samples, control.samples, strict=False)
    ]
    if margin is None or not gaps or trial.candidate == control.candidate:
        return "no comparison of correctness is asked for"
    discordance, difference = sum(g != 0 for g in gaps) / len(gaps), sum(gaps) / len(gaps)
    if difference <= -margin:
        return f"max_drop: screening saw {difference:+.0%} correct answers; {planned} pairs planned"
    needed = pairs_needed(discordance, margin, difference, ALPHAS[0])
    return f"max_drop: at least {needed:.0f} pairs are needed, {planned} planned"


def _changed_text(candidate: Candidate, base: Candidate) -> str:
    found = [f"{name}={candidate[name]}" for name in changes(candidate, base)]
    return ", ".join(found) or "the baseline itself"
