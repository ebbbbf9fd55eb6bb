"""One engine, one workload, one output folder: measure candidates and keep what was measured."""

from __future__ import annotations

import asyncio
import itertools
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

from tuner.engines.base import Engine
from tuner.guard.classify import Judge, judge
from tuner.load import samples as sample_file
from tuner.load.drive import Call, Driven, drive
from tuner.report.measurement import Client
from tuner.search.budget import WARMUP_REQUESTS
from tuner.spec.conversation import conversation, response_format
from tuner.spec.errors import EngineError, tail
from tuner.spec.study import Study
from tuner.spec.values import Candidate, Effective, Prompt, Sample
from tuner.workflow.artifacts import rendered, write
from tuner.workflow.folder import write_json


@dataclass(frozen=True, slots=True)
class Measured:
    """What measuring a candidate once brought; `failed` says why there is nothing to compare."""

    effective: Effective | None
    samples: tuple[Sample, ...]
    client: Client
    memory_bytes: int | None = None
    failed: str | None = None

    @property
    def kept(self) -> tuple[Sample, ...]:
        """Return the samples without the warm-up."""
        return tuple(s for s in self.samples if not s.warmup)


@dataclass(slots=True)
class Spent:
    """What a run has used up so far."""

    requests: int = 0
    restarts: int = 0
    busy_s: float = 0.0


@dataclass(slots=True)
class Session:
    """The engine in use, and where its trials are kept; close it when done."""

    study: Study
    engine: Engine
    folder: Path
    deadline: float
    spent: Spent = field(default_factory=Spent)

    def left_s(self) -> float:
        """Return the seconds that are left of the budget."""
        return self.deadline - asyncio.get_running_loop().time()

    async def measure(
        self,
        candidate: Candidate,
        prompts: Iterator[Prompt],
        name: str,
        *,
        n: int,
        fresh: bool = False,
        stop: Callable[[Sample], bool] = lambda sample: False,
    ) -> Measured:
        """Apply a candidate, warm up, send `n` prompts or fewer, judge, and keep the trial.

        A candidate that cannot be started or that the engine does not run as asked comes
        back with `failed`; so does one whose engine died on the way, with what it gave.
        """
        try:
            effective = await self.engine.apply(candidate, fresh=fresh)
        except EngineError as error:
            return self._keep(name, candidate, Measured(None, (), Client(), failed=str(error)))
        self.spent.restarts += effective.changed != "nothing"
        if effective.mismatches:
            failed = "not in force: " + "; ".join(effective.mismatches)
            return self._keep(name, candidate, Measured(effective, (), Client(), failed=failed))
        measured = await self._drive(candidate, effective, prompts, n, stop)
        return self._keep(name, candidate, measured)

    async def _drive(
        self,
        candidate: Candidate,
        effective: Effective,
        prompts: Iterator[Prompt],
        n: int,
        stop: Callable[[Sample], bool],
    ) -> Measured:
        asked: dict[str, Prompt] = {}
        calls = self._calls(candidate, prompts, asked)
        slots = max(WARMUP_REQUESTS, int(candidate.get("num_parallel", 1)))
        transport = self.engine.transport()
        load, start = self.study.workload.load, effective.engine_start
        closed = replace(load, rate=None)
        try:
            warm = await drive(
                self._warmup_calls(candidate, slots), closed, transport, self.engine.read,
                engine_start=start, warmup=True,
            )  # fmt: skip
            run = await drive(
                itertools.islice(calls, n), load, transport, self.engine.read,
                engine_start=start, stop=stop,
                rng=np.random.default_rng([self.study.seed, self.spent.requests]),
            )  # fmt: skip
        finally:
            await transport.aclose()
        return self._judged(effective, warm, run, asked)

    def _calls(
        self, candidate: Candidate, prompts: Iterator[Prompt], asked: dict[str, Prompt]
    ) -> Iterator[Call]:
        workload = self.study.workload
        wanted = response_format(candidate, workload)
        for prompt in prompts:
            asked[prompt.id] = prompt
            messages = conversation(prompt.messages, candidate, workload)
            yield Call(prompt, self.engine.request(messages, candidate, wanted))

    def _warmup_calls(self, candidate: Candidate, count: int) -> Iterator[Call]:
        """Yield calls whose prompts are no prompts of the workload: those stay unseen."""
        first = self.study.workload.templates[0]
        prompts = (
            Prompt(f"w{i}", "warmup", "warmup", (replace(first.messages[-1], content=f"ok {i}"),))
            for i in range(count)
        )
        return self._calls(candidate, prompts, {})

    def _judged(
        self, effective: Effective, warm: Driven, run: Driven, asked: Mapping[str, Prompt]
    ) -> Measured:
        classify: Judge = judge(self.study.workload.schema)
        judged = tuple(replace(s, guard=classify(asked[s.prompt_id], s)) for s in run.samples)
        self.spent.requests += len(judged) + len(warm.samples)
        self.spent.busy_s += warm.elapsed_s + run.elapsed_s
        client = Client(run.client_cpu_s, run.elapsed_s, run.client_lag_p99_s)
        failed = None if self.engine.alive() else "the engine died while it was being measured"
        return Measured(
            effective, (*warm.samples, *judged), client, self.engine.memory_bytes(), failed
        )

    def _keep(self, name: str, candidate: Candidate, measured: Measured) -> Measured:
        keep_trial(self.folder / "trials" / name, self, candidate, measured)
        return measured

    async def aclose(self) -> None:
        """Stop the engine."""
        await self.engine.aclose()


def keep_trial(folder: Path, session: Session, candidate: Candidate, measured: Measured) -> None:
    """Write a trial's folder in one step: it is there whole, or not at all."""
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    write_json(partial / "candidate.json", dict(candidate))
    effective = asdict(measured.effective) if measured.effective else None
    facts = {"effective": effective, "failed": measured.failed, "client": asdict(measured.client),
             "memory_bytes": measured.memory_bytes}  # fmt: skip
    write_json(partial / "effective.json", facts)
    sample_file.write(partial / "samples.jsonl", measured.samples)
    write(partial, rendered(session.study, session.engine, candidate))
    (partial / "engine.log").write_text(_newest_log(session.folder), encoding="utf-8")
    partial.replace(folder)


def _newest_log(out: Path) -> str:
    """Return the end of the log of the last engine start, "" for an engine without logs."""
    logs = sorted((out / "engine").glob("*.log"), key=lambda log: log.stat().st_mtime)
    return tail(logs[-1], 200) if logs else ""
