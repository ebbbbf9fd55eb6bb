"""The main job: search, look again, prove on fresh prompts, write what goes into service."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tuner.engines.base import Engine
from tuner.engines.registry import create
from tuner.render.artifacts import Evidence
from tuner.report.documents import result_document
from tuner.report.measurement import Measurement, blocks
from tuner.report.result import Gain, Result
from tuner.search import hints
from tuner.search.budget import ALPHAS, MAX_FINALISTS, Plan, plan
from tuner.search.finalists import finalists
from tuner.search.propose import Proposer, changes
from tuner.search.trial import Trial
from tuner.spec.errors import EngineDied, InputError
from tuner.spec.study import Study
from tuner.spec.values import Candidate, Slo
from tuner.stats.noise import noise_floor, ratio_interval
from tuner.stats.quantiles import quantile
from tuner.workflow.artifacts import rendered
from tuner.workflow.confirm import (
    Side,
    complete_baseline,
    confirm,
    held_out,
    judged,
    what_stood_in_the_way,
)
from tuner.workflow.environment import environment
from tuner.workflow.screen import Watcher, screen, shortlist
from tuner.workflow.session import Session, check_knobs, claim, complete, write_json

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


async def run(study: Study, out: Path, watcher: Watcher, engine: Engine | None = None) -> Result:
    """Tune a study into the folder `out`; `engine` is one's own instead of the study's.

    However it ends, the engine is stopped and every finished trial stays in `out`. Raises
    InputError, and EngineError where the engine is missing or nothing could be measured.
    """
    check(study)
    loop = asyncio.get_running_loop()
    began = loop.time()
    engine = engine or create(study, out / "engine")
    session = Session(study, engine, claim(out), began + study.budget_s - WRAP_UP_S)
    base = _checked_base(study, session)
    proposer = Proposer(
        study.space, base, study.sampler, study.seed, out / "study.db", partial(hints.values, study)
    )
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
    result = _result(session, base, trials, proof, plan_, loop.time() - began)
    write_json(out / "result.json", result_document(result))
    return result


def _checked_base(study: Study, session: Session) -> Candidate:
    where = study.file or "the study"
    check_knobs(list(study.baseline), session.knobs, f"{where}: baseline")
    check_knobs(list(study.space), session.knobs, f"{where}: space")
    check_prompt_values(study)
    return complete(study.baseline, session.knobs)


def check_prompt_values(study: Study) -> None:
    """Raise InputError where a prompt knob is given a value that the workload does not have."""
    from tuner.spec.conversation import allowed
    from tuner.spec.space import Choices
    from tuner.spec.study_file import nearest

    for name, values in allowed(study.workload).items():
        given = study.space.get(name)
        used = list(given.values) if isinstance(given, Choices) else []
        for value in [*used, *([study.baseline[name]] if name in study.baseline else [])]:
            if value not in values:
                raise InputError(
                    f"{study.file}: {name}: {value!r} is not there; the workload has: "
                    f"{', '.join(map(str, values))}{nearest(str(value), map(str, values))}"
                )


def _ensure_measurable(trials: Sequence[Trial]) -> None:
    """Raise EngineDied when not one trial could be measured: searching on would be idle."""
    if not any(t.samples for t in trials):
        raise EngineDied(f"no candidate could be measured; the first failed so: {trials[0].reason}")


class _Proof:
    """What confirmation brought: the baseline's side and each finalist's measurement."""

    def __init__(self, baseline: Side) -> None:
        self.baseline = baseline
        self.sides: list[Side] = []
        self.measured: list[Measurement] = []


async def _prove(
    session: Session, trials: Sequence[Trial], base: Candidate, watcher: Watcher
) -> _Proof:
    """Prove finalists one after the other until one is proven or time is up."""
    study = session.study
    fill = study.seed + 500_000
    proof = _Proof(Side(base, "baseline", held_out(session, fill)))
    chosen = finalists(study, trials, base, MAX_FINALISTS)
    for number, trial in enumerate(chosen):
        if session.left_s() < 0.05 * study.budget_s and proof.sides:
            break
        watcher.note(f"finalist {number + 1}: {_changed_text(trial.candidate, base)}")
        side = Side(
            trial.candidate,
            f"finalist-{number + 1}",
            held_out(session, fill),
            screened=trial.samples,
        )
        proof.sides.append(side)
        now = await confirm(
            session, side, proof.baseline, ALPHAS[number], session.left_s, watcher.note
        )
        proof.measured.append(now)
        if now.verdict == "PASS":
            break
    if not any(s.candidate == base for s in proof.sides):
        await complete_baseline(session, proof.baseline, session.left_s)
    return proof


def _result(
    session: Session,
    base: Candidate,
    trials: Sequence[Trial],
    proof: _Proof,
    plan_: Plan,
    seconds: float,
) -> Result:
    best = _best(proof.measured)
    baseline = _baseline(session, proof)
    chosen = best or baseline
    floor = _noise(session, baseline)
    version = next((m.effective.version for m in (best, baseline) if m and m.effective), None)
    env = environment(session.engine, version)
    changed = changes(chosen.candidate, base) if chosen else ()
    return Result(
        study=session.study,
        out=session.folder,
        verdict=best.verdict if best else "UNDECIDED",
        baseline=baseline,
        best=chosen,
        changed=changed,
        gain=_gain(session, baseline, best, floor) if changed else None,
        noise_floor=floor,
        trials=trials,
        finalists=proof.measured,
        artifacts=_write_artifacts(session, chosen),
        environment=env,
        spent=_spent(session, seconds),
        plan=plan_,
        reasons=tuple(what_stood_in_the_way(best)) if not best or best.verdict != "PASS" else (),
        knobs_where={name: knob.where for name, knob in session.knobs.items()},
    )


def _best(measured: Sequence[Measurement]) -> Measurement | None:
    """Return the proven finalist, else the first undecided one, else the first."""
    order = {"PASS": 0, "UNDECIDED": 1, "FAIL": 2}
    return min(measured, key=lambda m: order[m.verdict], default=None)


def _baseline(session: Session, proof: _Proof) -> Measurement | None:
    """Return the baseline as confirmed: its own blocks, or a finalist that is the baseline."""
    if proof.baseline.measured:
        return judged(session, proof.baseline, proof.baseline)
    same = (m for m in proof.measured if m.candidate == proof.baseline.candidate)
    return next(same, None)


def _slo(study: Study) -> Slo:
    return study.slos[0]


def _noise(session: Session, baseline: Measurement | None) -> float | None:
    if baseline is None:
        return None
    found = blocks(session.study, _slo(session.study).metric, baseline.samples)
    if len(found) < 4:
        return None
    rng = np.random.default_rng(session.study.seed)
    return noise_floor(found, _statistic(session.study), baseline.n, rng)


def _statistic(study: Study) -> Callable[[npt.NDArray[np.float64]], float]:
    q = _slo(study).quantile
    return lambda values: quantile(values, q)


def _gain(
    session: Session,
    baseline: Measurement | None,
    best: Measurement | None,
    floor: float | None,
) -> Gain | None:
    """Return the gain in the target's quantile, or None where it is within the noise."""
    if baseline is None or best is None or floor is None or best.starts < 2:
        return None
    slo = _slo(session.study)
    ours = blocks(session.study, slo.metric, best.samples)
    theirs = blocks(session.study, slo.metric, baseline.samples)
    confidence = 1 - 0.05 / MAX_FINALISTS
    rng = np.random.default_rng(session.study.seed)
    ratio = ratio_interval(ours, theirs, _statistic(session.study), confidence, rng)
    if ratio.value is None or ratio.high is None or ratio.value <= 0:
        return None
    if -np.log(ratio.value) <= floor or ratio.high >= 1:
        return None
    return Gain(slo.metric, slo.quantile, ratio, confidence)


def _write_artifacts(session: Session, chosen: Measurement | None) -> dict[str, Path]:
    if chosen is None:
        return {}
    files = rendered(session.study, session.engine, chosen.candidate, evidence(session, chosen))
    for name, text in files.items():
        (session.folder / name).write_text(text, encoding="utf-8")
    return {name: session.folder / name for name in files}


def evidence(session: Session, m: Measurement) -> Evidence:
    """Return what the header of an artifact says about its candidate."""
    study = session.study
    lines = [_evidence_line(slo, m) for slo in m.certificates]
    shares = _share("valid", m.guard.valid.value), _share("correct", m.guard.correct.value)
    lines.append(f"answers: {', '.join(shares)}")
    lines.append(f"model: {session.engine.model.name}, {session.engine.model.digest}")
    version = m.effective.version if m.effective else session.engine.name
    targets = ", ".join(map(str, study.slos))
    verdict = "PASS" if m.verdict == "PASS" else f"NOT PROVEN ({m.verdict}) to meet {targets}"
    return Evidence(version, str(study.workload.load), verdict, tuple(lines), False)


def _evidence_line(slo: Slo, m: Measurement) -> str:
    c, p = m.certificates[slo], m.quantiles[slo.metric][slo.quantile]
    measured = "unbounded" if p.value is None else f"{p.value * 1000:.0f} ms"
    return (
        f"{slo}: {c.verdict} at {c.confidence:.1%} confidence, {c.late} of {c.n} late, "
        f"measured {measured}, {m.starts} engine starts, m = {c.m}"
    )


def _share(name: str, value: float | None) -> str:
    return f"{name} {value:.1%}" if value is not None else f"{name} not measured"


def _spent(session: Session, seconds: float) -> dict[str, float]:
    return {
        "seconds": seconds,
        "engine_busy_s": session.spent.busy_s,
        "requests": session.spent.requests,
        "restarts": session.spent.restarts,
        "saved_by_racing": 0.0,
    }


def _changed_text(candidate: Candidate, base: Candidate) -> str:
    found = [f"{name}={candidate[name]}" for name in changes(candidate, base)]
    return ", ".join(found) or "the baseline itself"
