"""How often gains and differences are claimed, of like and of unlike sides.

    python -m bench.gains [--runs N] [--seed N] [--only WORDS]

Samples come from a generator of its own: templates that differ (30 %), prompts of one (10 %), noise
(10 %, one request in a hundred three times as long), engine starts that differ, and a machine whose
pace changes. The product is called as it stands: `gains` for a proof whose sides take turns, and
`compared` for two measurements on different occasions.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import median

import numpy as np
from scipy import stats

from tuner.evaluate.comparison import Compared
from tuner.evaluate.measured import Measured
from tuner.evaluate.measurement import Measurement, measurement
from tuner.report.documents import measurement_document
from tuner.spec.requests.workload import Workload
from tuner.spec.study import Study
from tuner.spec.values import Sample, Slo
from tuner.workflow.measuring.compare import compared
from tuner.workflow.tune.proving.claimed_gains import MEAN_PART, Gains, gains

STUDY = Study("gains", "simulated", "m", Workload(()), slos=(Slo("e2e", 0.99, 0.9),), file="g.yaml")
ALPHA = 0.025
"""What the first finalist may spend."""

EMPTY = measurement(STUDY, {}, Measured(None, ()))
BASE_S = 0.4


@dataclass(frozen=True, slots=True)
class World:
    """Two sides and what they differ by; shares, `gain` off the candidate's latency.

    `starts` a side, `ours` and `theirs` requests a block; `trend` and `step` change the machine's
    pace over the proof, either way; `failing` of the candidate's requests fail. One in eighty of
    the baseline's requests misses the usual target.
    """

    name: str
    gain: float = 0.0
    spread: float = 0.03
    trend: float = 0.0
    step: float = 0.0
    starts: int = 4
    ours: int = 100
    theirs: int = 50
    templates: int = 100
    failing: float = 0.0
    target_s: float = 0.9


def _all(**what: float) -> Iterator[World]:
    """Yield a world with each spread of starts."""
    for spread in (0.0, 0.03, 0.05):
        words = ", ".join(f"{name} {100 * share:g} %" for name, share in what.items()) or "alike"
        name = f"{words}, starts {100 * spread:g} % apart"
        yield World(name, spread=spread, **what)  # type: ignore[arg-type]


WORLDS = (
    *_all(),
    *_all(trend=0.2),
    *_all(step=0.2),
    World("alike, 1,000 templates", templates=1000),
    World("alike, 10 templates", templates=10),
    World("alike, blocks of 100 and 20", theirs=20),
    World("alike, two starts a side of 250 and 50", starts=2, ours=250),
    World("alike, a third late", target_s=0.47),
    World("alike, 2 % fail on the candidate's side", failing=0.02),
    *_all(gain=0.1),
    World("gain 10 %, starts 3 % apart, trend 20 %", gain=0.1, trend=0.2),
    World("gain 10 %, starts 3 % apart, step 20 %", gain=0.1, step=0.2),
    World("gain 10 %, 1,000 templates", gain=0.1, templates=1000),
    World("gain 10 %, blocks of 100 and 20", gain=0.1, theirs=20),
    World("gain 10 %, 2 % fail on the candidate's side", gain=0.1, failing=0.02),
    World("gain 10 %, two starts a side of 250 and 50", gain=0.1, starts=2, ours=250),
    *_all(gain=0.2),
    World("gain 20 %, a third late", gain=0.2, target_s=0.47),
)


class Machine:
    """Answers prompts at a pace that templates, prompts, starts and time make."""

    def __init__(self, rng: np.random.Generator, world: World) -> None:
        self._rng, self._world, self._done = rng, world, 0
        self._templates = rng.normal(0, 0.3, world.templates)
        self._prompts = rng.normal(0, 0.1, 10_000)
        self._total = world.starts * (world.ours + world.theirs)
        self._trend = rng.choice([-1, 1]) * math.log1p(world.trend)
        self._step, self._at = rng.choice([-1, 1]) * math.log1p(world.step), rng.random()

    def block(
        self, number: int, prompts: range, pace: float = 0.0, failing: float = 0.0
    ) -> list[Sample]:
        """Return one engine start's answers to prompts, `pace` being a logarithm."""
        level = pace + self._rng.normal(0, self._world.spread)
        return [self._sample(number, prompt, level, failing) for prompt in prompts]

    def _sample(self, number: int, prompt: int, level: float, failing: float) -> Sample:
        place, self._done = self._done / self._total, self._done + 1
        level += self._trend * place + self._step * (place > self._at)
        level += self._templates[prompt % len(self._templates)] + self._prompts[prompt]
        level += self._rng.normal(0, 0.1) + math.log(3) * (self._rng.random() < 0.01)
        fails, ns = self._rng.random() < failing, round(BASE_S * math.exp(level) * 1e9)
        return Sample(
            f"p{prompt}", "k", 0, 0, ns // 4, ns, 0, 10, 11, "stop", "error" if fails else "ok",
            None, "x", engine_start=number, block=number,
            cluster=f"t{prompt % len(self._templates)}",
        )  # fmt: skip


def proof(rng: np.random.Generator, world: World) -> tuple[list[Sample], list[Sample]]:
    """Return the candidate's and the baseline's samples of a proof in which they take turns."""
    machine, number = Machine(rng, world), 0
    ours: list[Sample] = []
    theirs: list[Sample] = []
    for pair in range(world.starts):
        first = pair * world.ours
        for mine in (True, False) if pair % 2 else (False, True):
            number += 1
            if mine:
                prompts = range(first, first + world.ours)
                ours += machine.block(number, prompts, math.log1p(-world.gain), world.failing)
            else:
                theirs += machine.block(number, range(first, first + world.theirs))
    return ours, theirs


def claimed(ours: Sequence[Sample], theirs: Sequence[Sample], target_s: float = 0.9) -> Gains:
    """Return what the product claims of one proof."""
    study = replace(STUDY, slos=(Slo("e2e", 0.99, target_s),))
    return gains(study, measured(ours, 1), measured(theirs, 0), ALPHA)


def by_neighbours(ours: Sequence[Sample], theirs: Sequence[Sample]) -> bool:
    """Tell whether Student's t over pairs of neighbouring blocks would claim a lower mean.

    At the error that the product gives to the mean: the plainer estimator, for comparison.
    """
    theirs_s = {s.prompt_id: s.latency_s("e2e") for s in theirs}
    pairs: dict[int, list[float]] = {}
    for s in ours:
        if s.outcome == "ok" and s.prompt_id in theirs_s:
            ratio = math.log(s.latency_s("e2e") / theirs_s[s.prompt_id])
            pairs.setdefault(s.block, []).append(ratio)
    means = [float(np.mean(logs)) for logs in pairs.values()]
    error = float(np.std(means, ddof=1)) / math.sqrt(len(means))
    student = float(stats.t.ppf(1 - MEAN_PART * ALPHA, len(means) - 1))
    return float(np.mean(means)) + student * error < 0


def measured(samples: Sequence[Sample], candidate: int) -> Measurement:
    """Return a measurement of samples, of which gains look at nothing else."""
    failures = {"error": sum(s.outcome != "ok" for s in samples)}
    return replace(EMPTY, candidate={"a": candidate}, samples=tuple(samples), failures=failures)


def compared_alike(rng: np.random.Generator, apart: float, gain: float, other: bool) -> bool:
    """Tell whether a latency is claimed to differ between two occasions that lie `apart`.

    With `other` they answered other prompts.
    """
    sides = []
    machine = Machine(rng, World("occasions"))
    for side in range(2):
        pace = side * (math.log1p(-gain) + rng.choice([-1, 1]) * math.log1p(apart))
        samples = [
            sample
            for start in range(1, 5)
            for sample in machine.block(start, _asked(start, side * other), pace)
        ]
        found = measurement(STUDY, {"a": side}, Measured(None, tuple(samples)))
        document = measurement_document(found, STUDY, {})
        sides.append(Compared("x", document, tuple(samples)))
    a, b = sides
    return any(row.claim for row in compared(a, b).rows)


def _asked(start: int, elsewhere: int) -> range:
    first = 100 * start + 5000 * elsewhere
    return range(first, first + 100)


def gains_table(runs: int, seed: int, only: str = "") -> Iterator[str]:
    """Yield the lines of the table of proofs whose names hold some words."""
    yield "| proof | any | mean | median | late | p99 | by neighbours | noise floor |"
    yield "|---|---|---|---|---|---|---|---|"
    for world in (w for w in WORLDS if only in w.name):
        rng = np.random.default_rng(seed)
        proofs = [proof(rng, world) for _ in range(runs)]
        found = [claimed(*sides, world.target_s) for sides in proofs]
        kinds: list[list[object]] = [
            [f.any for f in found], [f.mean for f in found], [f.median for f in found],
            [f.late for f in found], [f.latency for f in found],
            [by_neighbours(*sides) for sides in proofs],
        ]  # fmt: skip
        cells = [share(sum(map(bool, kind)), runs) for kind in kinds]
        floor = median(f.noise_floor or math.inf for f in found)
        yield f"| {world.name} | {' | '.join(cells)} | {-math.expm1(-floor):.1%} |"


def occasions_table(runs: int, seed: int, only: str = "") -> Iterator[str]:
    """Yield the lines of the table of comparisons whose names hold some words."""
    yield "| comparison | same prompts | other prompts |"
    yield "|---|---|---|"
    for apart, gain in (
        (0.0, 0.0),
        (0.03, 0.0),
        (0.05, 0.0),
        (0.05, 0.1),
        (0.05, 0.2),
        (0.05, 0.3),
    ):
        name = (
            f"occasions {100 * apart:g} % apart, {f'B {100 * gain:g} % less' if gain else 'alike'}"
        )
        if only not in name:
            continue
        rng = np.random.default_rng(seed)
        cells = [
            share(sum(compared_alike(rng, apart, gain, other) for _ in range(runs)), runs)
            for other in (False, True)
        ]
        yield f"| {name} | {' | '.join(cells)} |"


def share(hits: int, runs: int) -> str:
    """Return a share of runs in percent."""
    return f"{hits / runs:.1%}"


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(prog="python -m bench.gains", description=__doc__)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="rows whose names hold these words")
    given = parser.parse_args()
    for table in (gains_table, occasions_table):
        for line in table(given.runs, given.seed, given.only):
            print(line, flush=True)
        print()


if __name__ == "__main__":
    main()
