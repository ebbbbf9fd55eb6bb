"""How often certificates are right: late rates from 0 to 5 %, independent and in bursts.

`python -m bench.certificate` prints two Markdown tables. Requests are simulated; nothing is
measured. Bursts are stationary: a burst of b starts at any request with the same chance,
so that the late rate is exact and lateness (b - 1)-dependent. AR(1) puts a threshold on a
Gaussian process with correlation 0.9 from one request to the next.
"""

from __future__ import annotations

import argparse
import math
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import signal, stats

from tuner.stats.eprocess import (
    MIXTURE_COST,
    Certificate,
    certify,
    certify_observed,
    expected_requests,
)
from tuner.stats.quantiles import quantile

RATES = (0.0, 0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.05)
BURSTS = (1, 2, 4, 8, 20)
AR1 = 0  # stands for the AR(1) world where a burst length is asked for
AR1_M = 20
LIMIT = 4000  # requests after which an undecided run ends, for each request of a burst at m

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Case:
    """One row: a world, its true late rate, and the simulations spent on it."""

    burst: int
    rate: float
    draws: int
    seed: np.random.SeedSequence


def bursts(rng: np.random.Generator, n: int, rate: float, length: int) -> Bools:
    """Return n lateness indicators with the given late rate, in bursts of `length`."""
    starts = rng.random(n + length - 1) < 1 - (1 - rate) ** (1 / length)
    begun = np.concatenate([[0], starts.cumsum()])
    late: Bools = begun[length:] > begun[:-length]
    return late


def autoregressive(rng: np.random.Generator, n: int, rate: float, phi: float = 0.9) -> Bools:
    """Return n lateness indicators: a stationary Gaussian AR(1) above its 1 - rate quantile."""
    shocks = rng.normal(size=n) * math.sqrt(1 - phi**2)
    shocks[0] = rng.normal()
    late: Bools = signal.lfilter([1.0], [1.0, -phi], shocks) > stats.norm.isf(rate)
    return late


def looked_at(late: Bools) -> Certificate:
    """Return the first verdict of `certify_observed` when it looks again and again."""
    n = 50
    while True:
        found = certify_observed(late[:n])
        if found.verdict != "UNDECIDED" or n >= late.size:
            return found
        n = min(late.size, math.ceil(n * 1.15))


def simulate(case: Case) -> str:
    """Return the row of one world at one late rate."""
    rng = np.random.default_rng(case.seed)
    m = AR1_M if case.burst == AR1 else case.burst - 1
    naive, stated, observed = [], [], []
    for _ in range(case.draws):
        late = _world(rng, case, min(LIMIT * (m + 1), 4 * LIMIT))
        naive.append(certify(late[:LIMIT]))
        stated.append(certify(late, m=m))
        observed.append(looked_at(late[:LIMIT]))
    name = "AR(1) 0.9" if case.burst == AR1 else f"bursts of {case.burst}"
    early = np.mean([c.verdict == "PASS" and c.late < 2 for c in observed])
    return " | ".join(
        [
            f"| {'independent' if case.burst == 1 else name} | {case.rate:.1%}",
            *_shares(naive)[:1],
            str(m),
            *_shares(stated),
            *_shares(observed),
            f"{early:.1%} |",
        ]
    )


def practice(rate: float, draws: int, rng: np.random.Generator) -> float:
    """Return how often the p99 of 100 samples meets the target at a late rate."""
    latencies = (rng.random((draws, 100)) < rate) * 1.0 + rng.random((draws, 100)) * 0.5
    return float(np.mean([quantile(row, 0.99) <= 0.75 for row in latencies]))


def table(draws: int, seed: int) -> str:
    """Return both tables as Markdown, from `draws` simulated runs in each row."""
    first, *seeds = np.random.SeedSequence(seed).spawn(1 + len(RATES) * (len(BURSTS) + 1))
    worlds = [(burst, rate) for burst in (*BURSTS, AR1) for rate in RATES]
    cases = [Case(burst, rate, draws, s) for (burst, rate), s in zip(worlds, seeds, strict=True)]
    # Without late requests every world is the same.
    cases = [c for c in cases if c.rate > 0 or c.burst == 1]
    with ProcessPoolExecutor(2) as pool:
        rows = list(pool.map(simulate, cases))
    return "\n".join([*_references(np.random.default_rng(first)), "", *_heading(), *rows])


def _references(rng: np.random.Generator) -> list[str]:
    """Return the table of what the certificate is compared with, for independent lateness."""
    lines = [
        "| late rate | SPRT bound, requests | `expected_requests` | p99 of 100 samples passes |",
        "|---|---|---|---|",
    ]
    for rate in RATES:
        guess = expected_requests(rate)
        bound = guess / MIXTURE_COST
        shown = f"{bound:.0f} | {guess:.0f}" if math.isfinite(guess) else "never | never"
        lines.append(f"| {rate:.1%} | {shown} | {practice(rate, 4000, rng):.0%} |")
    return lines


def _heading() -> list[str]:
    names = ["lateness", "late rate", "m = 0: PASS", "m"]
    names += [f"stated m: {what}" for what in ("PASS", "FAIL", "UNDECIDED", "mean n")]
    names += [f"observed m: {what}" for what in ("PASS", "FAIL", "UNDECIDED", "mean n")]
    names += ["PASS with < 2 late seen"]
    return ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]


def _shares(found: list[Certificate]) -> list[str]:
    """Return the shares of PASS, FAIL and UNDECIDED, and the mean number of requests."""
    shares = [np.mean([c.verdict == v for c in found]) for v in ("PASS", "FAIL", "UNDECIDED")]
    return [*(f"{share:.1%}" for share in shares), f"{np.mean([c.n for c in found]):.0f}"]


def _world(rng: np.random.Generator, case: Case, n: int) -> Bools:
    if case.burst == AR1:
        return autoregressive(rng, n, case.rate)
    return bursts(rng, n, case.rate, case.burst)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=120, help="runs in each row")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    print(table(given.draws, given.seed))
