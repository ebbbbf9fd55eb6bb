"""Measure candidates with one engine and one workload, and store each trial in one folder."""

from __future__ import annotations

import asyncio
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from tuner.engines.base import (
    Engine,
    Limited,
    Notices,
    Observes,
    Resolution,
    Resolves,
    Seen,
    Watch,
)
from tuner.evaluate import failures
from tuner.evaluate.measured import Client, Measured
from tuner.load.arrivals import Call
from tuner.load.drive import Driven, drive
from tuner.machine import usage
from tuner.machine.counters import Counters, between, counters
from tuner.machine.disturbance import Disturbance
from tuner.search.budget import Pace, expected_pace
from tuner.spec.errors import EngineDied, EngineError, NotComparable, tail
from tuner.spec.requests.conversation import client_part, opened, openings, response_format
from tuner.spec.study import Study
from tuner.spec.values import Candidate, Effective, EngineStart, Prompt, Sample
from tuner.store import trial_folder
from tuner.store.trial_folder import Spent, StoredTrial
from tuner.workflow.beside.gate import Gate
from tuner.workflow.measuring.answers import Answers
from tuner.workflow.measuring.artifacts import Rendering
from tuner.workflow.measuring.calls import calls_of
from tuner.workflow.measuring.engine_starts import EngineStarts
from tuner.workflow.measuring.run_time import RunTime, unbounded
from tuner.workflow.measuring.serve_as_model import create_model
from tuner.workflow.measuring.trial_spec import StopRule, TrialSpec
from tuner.workflow.measuring.warm_up import warm_up

START_GRACE_S = 10.0
"""Seconds by which the last start of an engine may exceed the budget."""


@dataclass(slots=True)
class Session:
    """The engine in use, and the folder of its trials; close it when done.

    `budget_s` covers everything since the run began; it is infinite where nothing bounds it. A
    continued run has already `spent` some of it and had `starts_before` engine starts. `version`
    is the engine's, once known. `windows` has what the machine did during each trial, by the
    trial's name. `run` is the digest of what the run is about; each trial's folder names it.
    `starts` are the engine's, `earlier_starts` those of the continued run.

    Before each trial `gate` is waited for. `ends_in` tells in how many seconds the run has to end
    in any case; see `RunTime`.
    """

    study: Study
    engine: Engine
    folder: Path
    budget_s: float
    spent: Spent = field(default_factory=Spent)
    starts_before: int = 0
    version: str | None = None
    windows: dict[str, Disturbance] = field(default_factory=dict)
    run: str | None = None
    earlier_starts: Sequence[EngineStart] = ()
    gate: Gate | None = None
    ends_in: Callable[[], float] = unbounded
    starts: EngineStarts = field(init=False)
    _time: RunTime = field(init=False)
    _paused_before_s: float = field(init=False)

    def __post_init__(self) -> None:
        self._time = RunTime(self.budget_s, self.spent.elapsed_s, self.ends_in)
        self._paused_before_s = self.spent.paused_s
        self.starts = EngineStarts(self.study.start_s, list(self.earlier_starts))

    async def resolve(self, candidate: Candidate) -> Resolution | None:
        """Return what the engine makes of a candidate, None where it does not tell."""
        engine = self.engine
        return await engine.resolve(candidate) if isinstance(engine, Resolves) else None

    async def until_served_s(self, candidate: Candidate) -> float | None:
        """Return the seconds that a candidate's start is expected to take.

        0 where its server runs, or where the engine refuses it; None where the engine does not
        tell.
        """
        resolved = await self.resolve(candidate)
        if resolved is None:
            return None
        return 0.0 if resolved.identity is None else self.starts.cost_s(resolved)

    def elapsed_s(self) -> float:
        """Return how many seconds of the budget are used up, those of earlier parts included."""
        return self._time.elapsed_s()

    def left_s(self) -> float:
        """Return the seconds that are left of the budget."""
        return self._time.left_s()

    def pace(self) -> Pace:
        """Return the average pace so far; what was not measured yet is as expected."""
        spent, expected = self.spent, expected_pace(self.study)
        return Pace(
            spent.busy_s / spent.requests if spent.requests else expected.request_s,
            spent.restarting_s / spent.restarts if spent.restarts else expected.restart_s,
            spent.warmups / spent.blocks if spent.blocks else expected.warmups,
            expected.in_flight,
        )

    async def measure(self, candidate: Candidate, spec: TrialSpec) -> Measured:
        """Apply a candidate, warm up, send the prompts of `spec`, and store the trial.

        A candidate that cannot be started or that the engine does not run as asked comes
        back with `failed`; so does one whose engine died on the way, with what it gave, and one
        whose first requests all fail: then no more are sent. Raises NotComparable where another
        version of the engine serves than before, and Busy where production stays busy.
        """
        await self._pause_while_busy()
        began, rendering = self.elapsed_s(), Rendering(self.study, self.engine, candidate)
        try:
            effective, as_model = await self._start(rendering, spec)
        except EngineError as error:
            if _being_ended():
                raise
            return self._store(spec, rendering, Measured(failed=str(error)))
        if effective.changed != "nothing":
            self.spent.restarts += 1
            self.spent.restarting_s += self.elapsed_s() - began
        self.starts.hear(effective, await self.resolve(candidate))
        effective = replace(
            effective,
            engine_start=self.starts_before + effective.engine_start,
            limits=self.engine.limits if isinstance(self.engine, Limited) else None,
        )
        self._check_version(effective.version)
        if effective.mismatches:
            failed = "not in force: " + "; ".join(effective.mismatches)
            return self._store(spec, rendering, Measured(effective, failed=failed))
        sent = client_part(candidate, as_model)
        return self._store(spec, rendering, await self._drive(sent, effective, spec))

    async def _pause_while_busy(self) -> None:
        """Wait until production is calm; raise Busy where that takes too long."""
        if self.gate is not None:
            with self._time.paused():
                await self.gate.until_calm(self.ends_in())
            self.spent.paused_s = self._paused_before_s + self._time.paused_s

    async def _start(self, rendering: Rendering, spec: TrialSpec) -> tuple[Effective, bool]:
        """Apply a candidate within the budget; tell whether it is served as its own model."""
        most_s = self.start_s()
        try:
            async with asyncio.timeout(most_s) as bound:
                applied = await self.engine.apply(rendering.candidate, fresh=spec.fresh)
                created = await create_model(rendering, applied) if spec.as_model else None
                return created or applied, created is not None
        except TimeoutError:
            if not bound.expired():
                raise
            raise EngineDied(
                f"its start was given up after {most_s:.0f} s, since the budget was used up"
            ) from None

    def start_s(self) -> float | None:
        """Return how many seconds a start may take now, None where no budget bounds it."""
        left_s = self.left_s()
        return None if math.isinf(left_s) else max(left_s, 0.0) + START_GRACE_S

    def _check_version(self, version: str) -> None:
        if self.version not in (None, version):
            raise NotComparable(
                f"{self.folder} was begun with {self.version}, and now {version} serves; samples "
                "of unlike engines are not pooled: name another --out"
            )
        self.version = version

    async def _drive(self, candidate: Candidate, effective: Effective, spec: TrialSpec) -> Measured:
        answers = Answers(self.study.workload.schema)
        prompts = answers.noting(spec.prompts)
        calls = itertools.islice(calls_of(self.study, self.engine, candidate, prompts), spec.n)
        transport = self.engine.transport()
        load, start = self.study.workload.load, effective.engine_start
        try:
            warm = await warm_up(self, candidate, start, transport, spec.n)
            async with _observing(self.engine) as watch:
                before = usage.begin(self.engine, ours=effective.pid is not None)
                machine_before = self._counted(effective)
                run = await drive(
                    calls, load, transport, self.engine.read,
                    engine_start=start, stop=_stopping(spec, answers),
                    rng=np.random.default_rng([self.study.seed, self.spent.requests]),
                )  # fmt: skip
                resources = usage.used(before, self.engine, run.elapsed_s)
                machine = between(machine_before, self._counted(effective))
                machine = await self._marked(machine, run.elapsed_s)
                observed = await watch.observation() if watch else None
        finally:
            await transport.aclose()
        samples = self._account(warm, run, answers)
        failed = self._failed([s for s in samples if not s.warmup], spec.n)
        return Measured(
            effective=effective,
            samples=samples,
            client=Client(run.client_cpu_s, run.elapsed_s, processes=load.client_processes),
            memory_bytes=self.engine.memory_bytes(),
            failed=failed,
            resources=resources,
            machine=machine,
            observed=observed,
        )

    async def _marked(self, machine: Disturbance | None, elapsed_s: float) -> Disturbance | None:
        """Return what disturbed a window, production that has become busy in it included."""
        if self.gate is None or (await self.gate.look()).busy is None:
            return machine
        return replace(machine or Disturbance(elapsed_s, others=None), production_busy=True)

    def _counted(self, effective: Effective) -> Counters | None:
        """Return the machine's counters, None where the engine's processes are unknown.

        A simulated engine is no process; one that we did not start may be out of sight.
        """
        if effective.pid is not None:
            return counters()
        served_s = self.engine.seen_cpu_s() if isinstance(self.engine, Seen) else None
        return None if served_s is None else counters(served_s=served_s)

    def spare_calls(self, candidate: Candidate) -> Iterator[Call]:
        """Yield calls for warming up; the workload's own prompts stay unseen by the engine.

        Each call begins as those of the workload do, with each choice of shots in turn.
        """
        workload = self.study.workload
        said, wanted = workload.templates[0].messages[-1], response_format(candidate, workload)
        for i, shots in enumerate(itertools.cycle(openings(candidate, workload))):
            prompt = Prompt(f"w{i}", "warmup", "warmup", (replace(said, content=f"ok {i}"),))
            messages = opened(prompt.messages, shots, candidate, workload)
            yield Call(prompt, self.engine.request(messages, candidate, wanted))

    def _account(self, warm: Sequence[Driven], run: Driven, answers: Answers) -> tuple[Sample, ...]:
        """Return all samples as a block of the run, and add to what was spent."""
        self.spent.blocks += 1
        block = self.spent.blocks
        warmups = [replace(s, block=block) for sent in warm for s in sent.samples]
        measured = [replace(answers.classified(s), block=block) for s in run.samples]
        self.spent.requests += len(measured) + len(warmups)
        self.spent.warmups += len(warmups)
        self.spent.busy_s += run.elapsed_s + sum(sent.elapsed_s for sent in warm)
        return (*warmups, *measured)

    def _failed(self, measured: Sequence[Sample], n: int) -> str | None:
        """Say why a trial of up to `n` requests has nothing to compare, None where it has."""
        if isinstance(self.engine, Limited) and (lost := self.engine.out_of_memory()):
            return lost
        if not self.engine.alive():
            return "the engine died while it was being measured"
        noticed = self.engine.noticed() if isinstance(self.engine, Notices) else None
        return noticed or failures.nothing_served(measured, n)

    def _store(self, spec: TrialSpec, rendering: Rendering, measured: Measured) -> Measured:
        """Write a trial's folder and return what was measured."""
        self.spent.elapsed_s = self._time.ran_s()
        name = trial_folder.free_name(self.folder, spec.name)
        if measured.machine:
            self.windows[name] = measured.machine
        trial = StoredTrial(name, spec.place, rendering.candidate, measured, self.spent, self.run)
        trial_folder.write(self.folder, trial, rendering.files, _newest_log(self.folder))
        return measured

    async def aclose(self, note: Callable[[str], None] = lambda line: None) -> None:
        """Stop the engine; where it does not end, note that, since all trials are stored."""
        try:
            await self.engine.aclose()
        except EngineError as error:
            note(str(error))


def _observing(engine: Engine) -> AbstractAsyncContextManager[Watch | None]:
    """Watch what the engine's server tells of itself, where it does."""
    return engine.observing() if isinstance(engine, Observes) else nullcontext()


def _being_ended() -> bool:
    """Tell whether the run is being cancelled, so that nothing more should be measured."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _stopping(spec: TrialSpec, answers: Answers) -> StopRule:
    """Return a trial's stop rule, which also ends it when its first requests are all refused."""
    seen: list[Sample] = []

    def stopping(sample: Sample) -> bool:
        seen.append(sample)
        all_refused = len(seen) == failures.FIRST and failures.refused(seen)
        shown = answers.classified(sample) if spec.stop_reads_answers else sample
        return spec.stop(shown) or all_refused

    return stopping


def _newest_log(out: Path) -> str:
    """Return the end of the log of the last engine start, "" for an engine without logs."""
    logs = sorted((out / "engine").glob("*.log"), key=lambda log: log.stat().st_mtime)
    return tail(logs[-1], 200) if logs else ""
