"""Sweep knobs one at a time, with the baseline between, into a folder that can be gone on with."""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from pathlib import Path
from typing import Any

from tuner.engines.base import Engine
from tuner.engines.registry import create
from tuner.evaluate import failures
from tuner.evaluate.measured import Measured
from tuner.evaluate.measurement import measurement
from tuner.evaluate.sweep import Side, Sweep, SweptValue
from tuner.report.sweep import sweep_document
from tuner.spec.errors import EngineDied, InputError
from tuner.spec.requests.workload import Supply
from tuner.spec.space import Choices
from tuner.spec.study import Study
from tuner.spec.values import Candidate, Prompt, Sample
from tuner.stats.quantiles import Bound, quantile_bounds
from tuner.store.run_folder import claimed, same_run, write_json
from tuner.store.trial_folder import Place, StoredTrial, read_all
from tuner.workflow.beside.load import study_gate
from tuner.workflow.measuring.candidates import baseline, fit_to_engine
from tuner.workflow.measuring.environment import environment, identity
from tuner.workflow.measuring.run_time import unbounded
from tuner.workflow.measuring.session import Session
from tuner.workflow.measuring.trial_spec import TrialSpec
from tuner.workflow.sweeping.asked import Asked
from tuner.workflow.sweeping.changes import by_side, changes, confidence, correct, prefill_s
from tuner.workflow.sweeping.schedule import BASELINE, Block, Swept, blocks, left_s, side_of
from tuner.workflow.tune.begin import begin

PHASE = "sweep"


async def sweep(
    study: Study,
    out: Path,
    asked: Asked,
    *,
    resume: bool = False,
    progress: Callable[[str], None] = lambda line: None,
    engine: Engine | None = None,
) -> tuple[Sweep, dict[str, Any]]:
    """Measure each value of each knob beside the baseline; return that and the environment.

    Each value gets blocks in random order with one of the baseline before each. No block begins
    once the study's budget is used up. Every finished one stays in `out`, whatever ends the sweep,
    and `resume` goes on with those; what failed is tried again then. Raises InputError; EngineDied
    where the baseline does not serve; Locked, NotComparable and OutputError as a run does.
    """
    with claimed(out, resume=resume):
        engine = engine or create(study, out / "engine")
        async with contextlib.aclosing(engine):
            return await _sweep(study, out, asked, progress, engine)


async def _sweep(
    study: Study, out: Path, asked: Asked, progress: Callable[[str], None], engine: Engine
) -> tuple[Sweep, dict[str, Any]]:
    """Sweep with an engine into a folder that is ours; see `sweep`."""
    study, base, swept = _candidates(study, engine, asked, progress)
    stored = read_all(out)
    about = identity(study, engine, base) | {"sweep": [asked.rounds, asked.block]}
    run_id = same_run(out, about, {t.name: t.run for t in stored})
    gate = study_gate(study, engine, progress)
    session = begin(study, engine, out, stored, run_id, gate, unbounded)
    due = blocks(base, swept, asked.rounds, study.seed)
    job = _Job(session, asked, due, progress, _served(stored))  # what failed is tried again
    try:
        await job.measure()
    finally:
        await session.aclose(progress)
    found = _found(study, base, swept, job)
    facts = environment(engine, session.version)
    write_json(out / "sweep.json", sweep_document(found, study, facts))
    return found, facts


def _candidates(
    study: Study, engine: Engine, asked: Asked, progress: Callable[[str], None]
) -> tuple[Study, Candidate, Swept]:
    """Return the study, its baseline, and the candidate of each value that differs from it.

    Raises InputError for knobs and values that the engine does not have.
    """
    fixed = getattr(engine, "left_out", {})
    for knob in asked.values:
        if knob in fixed:
            raise InputError(f"{knob} cannot be swept: {fixed[knob]}")
    study, _ = fit_to_engine(replace(study, space={}), engine)
    base, swept = baseline(study, engine), {}
    for knob, value in asked:
        candidate = baseline(study, engine, {knob: value}, said="sweep")
        if candidate[knob] == base[knob]:
            progress(f"{knob} {value} is the baseline's own value: nothing to compare")
        else:
            swept[knob, candidate[knob]] = candidate
    if not swept:
        raise InputError("every value is the baseline's own: there is nothing to compare with it")
    knobs = dict.fromkeys(knob for knob, _ in swept)
    space = {k: Choices(tuple(v for knob, v in swept if knob == k)) for k in knobs}
    return replace(study, space=space), base, swept


@dataclass(slots=True)
class _Job:
    """A sweep on its way; `stored` has every finished block."""

    session: Session
    asked: Asked
    due: Sequence[Block]
    progress: Callable[[str], None]
    stored: list[StoredTrial]
    took_s: list[float] = field(default_factory=list)

    async def measure(self) -> None:
        """Measure the blocks that are left, until there is none or the budget is used up.

        A value that failed is not tried again. Raises EngineDied where the baseline failed.
        """
        for block in self.due:
            failed = {t.place.side for t in self.stored if t.measured.failed}
            done = {t.place.number for t in self.stored}
            if block.number in done or block.side in failed:
                continue
            if self.session.left_s() <= 0:
                self.progress("the budget is used up")
                return
            await self._measure(block)

    async def _measure(self, block: Block) -> None:
        """Measure a block; one that failed since the budget ended is as if it had not begun."""
        began_s = self.session.elapsed_s()
        place = Place(PHASE, block.number, side=block.side, planned=self.asked.block)
        fresh = not self.session.study.one_start
        prompts = itertools.islice(
            self._prompts(block, fresh), block.round * self.asked.block, None
        )
        name = f"{block.number:04d}"
        spec = TrialSpec(name, place, prompts, self.asked.block, fresh=fresh)
        measured = await self.session.measure(block.candidate, spec)
        if measured.failed and self.session.left_s() <= 0:
            return
        if measured.failed and block.side == BASELINE:
            raise EngineDied(failures.with_next_step(measured.failed, self.session.study))
        self.stored.append(StoredTrial(name, place, block.candidate, measured))
        self.took_s.append(self.session.elapsed_s() - began_s)
        self._tell(block, measured)

    def _prompts(self, block: Block, fresh: bool) -> Iterator[Prompt]:
        """Yield prompts; those of a round are the same for all, where no server saw them before."""
        study = self.session.study
        supply = Supply(study.workload, held_out=False, seed=study.seed)
        return supply.prompts(study.seed + (0 if fresh else block.number))

    def _tell(self, block: Block, measured: Measured) -> None:
        left = left_s(self.took_s, len(self.due) - block.number - 1)
        said = (
            f"failed: {measured.failed}" if measured.failed else f"{len(measured.counted)} requests"
        )
        self.progress(
            f"block {block.number + 1} of {len(self.due)}, {block.side}: {said}; about "
            f"{left / 60:.1f} min left"
        )


def _found(study: Study, base: Candidate, swept: Swept, job: _Job) -> Sweep:
    """Return what all finished blocks say."""
    sides, sure = by_side(job.stored), confidence(len(swept))
    ours = sides.get(BASELINE, [])
    first = _side(study, base, ours)
    values = []
    for (knob, value), candidate in swept.items():
        trials = sides.get(side_of(knob, value), [])
        side = _side(study, candidate, trials)
        swept_value = SweptValue(knob, value, side)
        if side.measured and first.measured:
            swept_value = _compared(swept_value, _served(trials), ours, first, sure, study)
        values.append(swept_value)
    whole = all(len(sides.get(b.side, ())) >= job.asked.rounds or _failed(sides, b)
                for b in job.due)  # fmt: skip
    known = {knob: base[knob] for knob in study.space}
    return Sweep(known, first, tuple(values), sure, whole, job.session.elapsed_s())


def _compared(
    value: SweptValue,
    ours: Sequence[StoredTrial],
    base: Sequence[StoredTrial],
    first: Side,
    sure: float,
    study: Study,
) -> SweptValue:
    """Return a value with how it differs; latencies of a client that could not keep up do not."""
    found = changes(ours, base, sure, scheduled=study.workload.load.open_loop)
    both = (value.side.measured, first.measured)
    if not all(m and m.valid_run for m in both):
        found = tuple(replace(c, noise_floor=None) for c in found)
    difference, pairs = correct(ours, base, sure)
    return replace(value, changes=found, correct=difference, pairs=pairs)


def _served(trials: Sequence[StoredTrial]) -> list[StoredTrial]:
    return [trial for trial in trials if not trial.measured.failed]


def _failed(sides: Mapping[str, Sequence[StoredTrial]], block: Block) -> bool:
    return any(t.measured.failed for t in sides.get(block.side, ()))


def _side(study: Study, candidate: Candidate, trials: Sequence[StoredTrial]) -> Side:
    """Return what blocks of one candidate say together, and why one failed."""
    failed = next((t.measured.failed for t in trials if t.measured.failed), None)
    served = [trial.measured for trial in _served(trials)]
    if not served:
        return Side(None, 0, None, failed)
    whole = reduce(Measured.plus, served)
    found = measurement(study, candidate, whole)
    return Side(found, len(served), _prefill(whole.counted), failed)


def _prefill(samples: Sequence[Sample]) -> Bound | None:
    seconds = [prefill_s(sample) for sample in samples]
    return None if any(map(math.isnan, seconds)) else quantile_bounds(seconds, 0.5)
