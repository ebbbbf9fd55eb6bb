"""How often certificates are right: late rates from 0 to 5 %, independent and in bursts.

    python -m bench.certificate [--draws N] [--out FILE.json]   simulates
    python -m bench.certificate --read FILE.json                prints what was recorded

With `--out` the outcomes are recorded, and a chart is drawn beside them (FILE.svg).
Requests are simulated; nothing is measured. Of independent requests all but `observed m` is
computed (`bench.exact`). Each run is judged in several ways side by side:

- `m = 0`: `certify`, looked at after every request, up to its first verdict.
- `stated m`: the same with the dependence of the world stated beforehand, looked at now and then.
- `observed m`: `certify_observed` as the tuner uses it, looked at as often, up to its first
  verdict. `burst seen` counts a PASS only where more than one request was late,
  `claimed` only where it claims to stand for bursts as long as those of the world.
- `299`: the fixed rule that passes when none of 299 requests is late.
- `p99 of 100`: passes when the p99 (nearest rank) of 100 requests meets the target.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from datetime import date
from functools import partial
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from bench import exact
from bench.curves import chart
from bench.lateness import CLUSTERED, INDEPENDENT, Bools, World
from bench.operating import VERDICTS, Outcome, tables
from tuner.spec.values import Verdict
from tuner.stats.eprocess import (
    Certificate,
    Floats,
    certify,
    certify_observed,
    fail_bets,
    pass_bets,
    wealth,
)
from tuner.stats.strands import single

RATES = (0.0, 0.001, 0.002, 0.003, 0.005, 0.007, 0.01, 0.015, 0.02, 0.03, 0.05)
CLUSTERED_RATES = (0.001, 0.003, 0.005, 0.01, 0.02, 0.05)
"""Without late requests every world is the same."""

QUANTILES = (0.5, 0.9, 0.95, 0.999)
SHARES = (0.0, 0.2, 1.0, 2.0, 5.0)
"""Late rates for the other quantiles, as shares of 1 - q; those of 1 or more are left out."""

RECORDED = Path(__file__).parent / "recorded" / "certificate.json"

LIMIT = 6000
"""Requests after which an undecided run for p99 ends."""

FIRST_LOOK, NEXT_LOOK = 50, 1.15

ALPHA = 0.05


@dataclass(frozen=True, slots=True)
class Case:
    """A world at one true late rate, and the simulated runs spent on it."""

    world: World
    quantile: float
    rate: float
    draws: int = 0
    seed: np.random.SeedSequence | None = None


def looked_at(late: Bools, way: Callable[[Bools], Certificate]) -> Certificate:
    """Return the first verdict of a way of judging that looks again and again."""
    found = (way(late[:n]) for n in looks(late.size))
    return next((c for c in found if c.verdict != "UNDECIDED"), None) or way(late)


def at_each(late: Bools, quantile: float = 0.99) -> Certificate:
    """Return the first verdict of `certify` when it looks after every request."""
    counts, totals = late.cumsum(), np.arange(1, late.size + 1)
    paths = [wealth(counts, totals, bets(quantile)) for bets in (pass_bets, fail_bets)]
    told = np.flatnonzero(np.maximum(*paths) >= 1 / ALPHA)
    return certify(late[: told[0] + 1] if told.size else late, quantile)


def stated(late: Bools, m: int) -> Certificate:
    """Return what `certify` says with a dependence over m further requests stated beforehand."""
    return certify(late, strands=single(late.size).divided(m + 1))


def looks(size: int) -> Iterator[int]:
    """Yield after how many requests the data are looked at, up to all of them."""
    n = FIRST_LOOK
    while n < size:
        yield n
        n = math.ceil(n * NEXT_LOOK)
    yield size


def judged(late: Bools, m: int) -> dict[str, Certificate]:
    """Return what each way says about one run for p99, whose dependence is m."""
    observed = looked_at(late[:LIMIT], certify_observed)
    found = {
        "m = 0": at_each(late[:LIMIT]),
        "observed m": observed,
        "burst seen": _only(observed, observed.late > 1),
        "claimed": _only(observed, observed.bursts > m),
        "299": _fixed(late, 299, most_late=0),
        "p99 of 100": _fixed(late, 100, most_late=1),
    }
    return found | ({"stated m": looked_at(late, partial(stated, m=m))} if m else {})


def simulate(case: Case) -> list[Outcome]:
    """Return what each way of judging came to in one world at one late rate."""
    rng, m = np.random.default_rng(case.seed), case.world.m
    # A stated m needs more requests, up to as many times as a burst is long.
    n = LIMIT * min(m + 1, 4)
    runs = [judged(case.world.draw(rng, n, case.rate), m) for _ in range(case.draws)]
    numbers = {way: np.array([_numbers(run[way]) for run in runs]) for way in runs[0]}
    means = {way: (rows.mean(axis=0), _error(rows)) for way, rows in numbers.items()}
    if case.world == INDEPENDENT:
        # What is known of m = 0 corrects its neighbour on the same draws (control variate).
        gap = numbers["observed m"] - numbers["m = 0"]
        known = {way: (np.array(row), np.zeros(4)) for way, row in _known(case).items()}
        means |= known | {"observed m": (known["m = 0"][0] + gap.mean(axis=0), _error(gap))}
    return [_outcome(case, way, *mean) for way, mean in means.items()]


def computed(case: Case) -> Outcome:
    """Return what a certificate for independent lateness comes to, without simulation."""
    return _outcome(case, "m = 0", np.array(_known(case)["m = 0"]), np.zeros(4))


def cases(draws: int, seed: int) -> list[Case]:
    """Return all cases that are simulated."""
    wanted = [(INDEPENDENT, rate) for rate in RATES]
    wanted += [(world, rate) for world in CLUSTERED for rate in CLUSTERED_RATES]
    seeds = np.random.SeedSequence(seed).spawn(len(wanted))
    return [Case(w, 0.99, r, draws, s) for (w, r), s in zip(wanted, seeds, strict=True)]


def other_quantiles() -> list[Case]:
    """Return all cases that are computed."""
    wanted = [(q, share * (1 - q)) for q in QUANTILES for share in SHARES]
    return [Case(INDEPENDENT, q, rate) for q, rate in wanted if rate < 1]


def run(draws: int, seed: int) -> list[Outcome]:
    """Simulate all cases, and compute those of other quantiles."""
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        simulated = list(chain.from_iterable(pool.map(simulate, cases(draws, seed))))
        return simulated + list(pool.map(computed, other_quantiles()))


def document(found: list[Outcome], draws: int, seed: int) -> dict[str, Any]:
    """Return outcomes with all that it takes to get them again."""
    return {
        "schema": "tuner.certificate-bench/1",
        "draws": draws,
        "seed": seed,
        "limit": LIMIT,
        "date": date.today().isoformat(),
        "python": platform.python_version(),
        "packages": {p: version(p) for p in ("modelfile-tuner", "numpy", "scipy")},
        "outcomes": [asdict(o) for o in found],
    }


def drawn(found: list[Outcome]) -> str:
    """Return the chance of a PASS against the late rate, of independent requests, as SVG."""
    names = {
        "m = 0": "certificate, p99, 95 %",
        "299": "none of 299 late",
        "p99 of 100": "p99 of 100 samples",
    }
    alone = [o for o in found if (o.lateness, o.quantile) == ("independent", 0.99)]
    curves = {
        name: [(o.rate, o.passed) for o in alone if o.way == way] for way, name in names.items()
    }
    return chart(curves, max(RATES), "Chance of a PASS for p99, by true late rate")


def write(path: Path, record: dict[str, Any]) -> None:
    """Write a record, one outcome a line."""
    *facts, (_, outcomes) = record.items()
    head = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in facts]
    rows = ",\n".join(json.dumps(o) for o in outcomes)
    text = "{" + ",\n".join([*head, f'"outcomes": [\n{rows}\n]']) + "}\n"
    path.write_text(text, encoding="utf-8")


def read(path: Path) -> list[Outcome]:
    """Return the outcomes of a recorded run."""
    return [Outcome(**o) for o in json.loads(path.read_text(encoding="utf-8"))["outcomes"]]


def _only(found: Certificate, counts: bool) -> Certificate:
    """Return a certificate, UNDECIDED where it is a PASS that does not count."""
    hidden = found.verdict == "PASS" and not counts
    return replace(found, verdict="UNDECIDED") if hidden else found


def _fixed(late: Bools, n: int, most_late: int) -> Certificate:
    """Return the verdict of a rule that looks once, after n requests."""
    count = int(late[:n].sum())
    verdict: Verdict = "PASS" if count <= most_late else "FAIL"
    return Certificate(verdict, n, count, e_pass=1, e_fail=1, m=0, confidence=1 - ALPHA)


def _known(case: Case) -> dict[str, tuple[float, ...]]:
    """Return what the ways come to that can be computed for independent requests."""
    limit = round(LIMIT * 0.01 / (1 - case.quantile))
    return {
        "m = 0": exact.operating(case.rate, case.quantile, limit),
        "299": exact.at_most(0, 299, case.rate),
        "p99 of 100": exact.at_most(1, 100, case.rate),
    }


def _numbers(found: Certificate) -> tuple[float, ...]:
    """Return whether it passed, failed, is undecided, and its requests, as numbers."""
    return *(float(found.verdict == v) for v in VERDICTS), float(found.n)


def _error(rows: Floats) -> Floats:
    """Return the standard error of the means of rows."""
    error: Floats = rows.std(axis=0) / math.sqrt(len(rows))
    return error


def _outcome(case: Case, way: str, mean: Floats, error: Floats) -> Outcome:
    passed, failed, undecided, n = (float(value) for value in np.maximum(mean, 0.0))
    return Outcome(
        lateness=case.world.name,
        quantile=case.quantile,
        rate=case.rate,
        way=way,
        m=case.world.m,
        passed=passed,
        passed_se=float(error[0]),
        failed=failed,
        undecided=undecided,
        n=n,
        n_se=float(error[3]),
    )


def _main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--draws", type=int, default=300, help="runs in each simulated case")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="where to record the run")
    parser.add_argument("--read", type=Path, help="print this record instead of simulating")
    given = parser.parse_args()
    found = read(given.read) if given.read else run(given.draws, given.seed)
    if given.out:
        write(given.out, document(found, given.draws, given.seed))
        given.out.with_suffix(".svg").write_text(drawn(found), encoding="utf-8")
    print(tables(found))


if __name__ == "__main__":
    _main()
