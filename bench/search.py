"""Searches compared on simulated worlds, in virtual time, by what is true of their choice.

    python -m bench.search [--worlds NAME ...] [--split NAME] [--strategies NAME ...] [--seeds N]
                           [--first-seed N] [--jobs N] [--mode proof|quality] [--out FILE]

`proof` asks how soon a first candidate is proven (a study that can stops there), `quality`
how good the chosen one is at the end of the budget. With --out each run is appended as a
JSON line when it ends, and runs that the file already holds are not repeated;
`python -m bench.compared` says what the files of both modes say together. Strategies are the
tuner's own (`ours`), others, an oracle, and `ours` without one of its ideas (bench.ablations).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from bench.ablations import without
from bench.compared import report
from bench.runs import Run, read
from bench.strategies import COMPARED, RIVALS, STRATEGIES, missing
from bench.worlds import worlds
from bench.worlds.truth import feasible, late_where_sent, true_late_rate, true_p99
from bench.worlds.world import Surroundings, Untold, World
from tuner.search.result import Result
from tuner.search.trial import Trial
from tuner.spec.errors import EngineError
from tuner.spec.values import Candidate
from tuner.store.trial_folder import read_all
from tuner.testing.resolving import ResolvingEngine
from tuner.testing.virtual_time import run as virtually
from tuner.workflow.measuring.candidates import baseline
from tuner.workflow.tune.run import run

MODES = ("proof", "quality")

MEMORY = Path("/dev/shm")
"""Where the folders of runs are kept while they last, if it is there: they are many small files."""


@dataclass(frozen=True, slots=True)
class Task:
    """One run to make."""

    mode: str
    world: str
    strategy: str
    seed: int


class Clock:
    """A watcher that remembers when a proof was complete."""

    def __init__(self) -> None:
        self.proven_s: float | None = None

    def phase(self, text: str) -> None:
        """Hear that a phase begins."""

    def trial(self, trial: Trial, planned: int, left_s: float) -> None:
        """Hear of a trial."""

    def note(self, text: str) -> None:
        """Keep the time of the newest line in which everything has passed."""
        if "PASS after" in text and "UNDECIDED" not in text and "FAIL" not in text:
            self.proven_s = asyncio.get_running_loop().time()


def made(task: Task) -> Run:
    """Tune one world with one strategy, and look the chosen candidate's truth up."""
    world, began = worlds()[task.world], time.process_time()
    study = world.study(task.seed, stop_when_met=task.mode == "proof")
    around, clock = Surroundings(world, task.seed), Clock()
    engine = told(world.engine(task.seed, around), task.strategy)
    strategy = STRATEGIES[task.strategy](study, baseline(study, engine))
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        out = Path(folder) / "out"
        try:
            with without(task.strategy):
                result = virtually(run(study, out, clock, engine=engine, strategy=strategy))
        except EngineError as error:
            return Run(**asdict(task), verdict=type(error).__name__)
        sent_s = proof_sent_s(out, result.best_candidate)
    judged = _judged(task, world, result, clock, time.process_time() - began)
    paces = around.paces(sent_s)
    late = late_where_sent(world, judged.candidate, paces) if sent_s else None
    return replace(judged, late_where_sent=late)


def told(engine: Any, strategy: str) -> Any:
    """Return an engine as a strategy sees it: rivals do not ask what a start will cost."""
    rival = strategy in RIVALS and isinstance(engine, ResolvingEngine)
    return Untold(engine) if rival else engine


def proof_sent_s(out: Path, candidate: Candidate) -> list[float]:
    """Return when each request was sent that a proof of a candidate rests on."""
    blocks = (k for k in read_all(out) if k.place.phase == "confirmation")
    mine = (k.measured.counted for k in blocks if dict(k.candidate) == dict(candidate))
    return [sample.sent_ns / 1e9 for kept in mine for sample in kept]


def _judged(task: Task, world: World, result: Result, clock: Clock, cpu_s: float) -> Run:
    chosen = result.best_candidate
    proven_s = clock.proven_s or result.spent["seconds"]
    started_s = sum(start.seconds for start in result.starts)
    return Run(
        **asdict(task),
        verdict=result.verdict,
        proven_s=proven_s if result.verdict == "PASS" else None,
        candidate=dict(chosen),
        feasible=feasible(world, chosen) if chosen else False,
        p99_s=true_p99(world, chosen) if chosen else None,
        late_rate=true_late_rate(world, chosen) if chosen else None,
        trials=len(result.trials),
        requests=int(result.spent["requests"]),
        restarts=int(result.spent["restarts"]),
        cpu_s=round(cpu_s, 2),
        busy=round(result.spent["engine_busy_s"] / result.spent["seconds"], 3),
        starting=round(started_s / result.spent["seconds"], 3) if result.starts else None,
    )


def all_runs(tasks: Sequence[Task], jobs: int, out: Path | None) -> list[Run]:
    """Make the runs that the file lacks, append each as it ends, and return all asked for."""
    known = {_task(r): r for r in read(out)} if out else {}
    todo = [t for t in tasks if t not in known]
    for number, done in enumerate(_made(todo, jobs), start=1):
        known[_task(done)] = done
        if out:
            with out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(done)) + "\n")
        print(f"\r{number}/{len(todo)} runs", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return [known[t] for t in tasks if t in known]


def _made(tasks: Sequence[Task], jobs: int) -> Iterator[Run]:
    if jobs == 1:
        yield from map(made, tasks)
        return
    with ProcessPoolExecutor(jobs) as pool:
        for future in as_completed([pool.submit(made, t) for t in tasks]):
            yield future.result()


def _task(run: Run) -> Task:
    return Task(run.mode, run.world, run.strategy, run.seed)


def _checked(names: Sequence[str], known: Collection[str], what: str) -> list[str]:
    """Return the names; end with a sentence on a wrong one."""
    for name in names:
        if name not in known:
            raise SystemExit(f"unknown {what} {name!r}; there are: {', '.join(known)}")
    return list(names)


def _options() -> Any:
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python -m bench.search", None, __doc__, formatter_class=plain)
    parser.add_argument("--worlds", nargs="+", metavar="NAME")
    parser.add_argument("--split", choices=("development", "held-out"))
    parser.add_argument("--strategies", nargs="+", metavar="NAME", default=list(COMPARED))
    parser.add_argument("--seeds", type=int, default=5, help="runs in each world")
    parser.add_argument("--first-seed", type=int, default=0, help="fresh seeds: those from here on")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--mode", choices=MODES, default="proof")
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


def main() -> None:
    """Make the runs and print what came of them."""
    given = _options()
    names = _checked(given.worlds or list(worlds()), worlds(), "world")
    names = [n for n in names if given.split in (None, worlds()[n].split)]
    strategies = _checked(given.strategies, STRATEGIES, "strategy")
    for note in filter(None, map(missing, strategies)):
        print(note, file=sys.stderr)
    strategies = [s for s in strategies if not missing(s)]
    tasks = [
        Task(given.mode, w, s, seed)
        for seed in range(given.first_seed, given.first_seed + given.seeds)
        for w in names
        for s in strategies
    ]
    runs = all_runs(tasks, given.jobs, given.out)
    print("\n".join(report(runs)))


if __name__ == "__main__":
    main()
