"""What load clients report against what a paced server knows: one table for all of them.

    python -m bench.fidelity [--clients NAME ...] [--rounds N] [--out FILE]

The server writes 32 tokens, one every 5 ms, after a time to the first token that is lognormal
around 40 ms, and stamps every write. Server and client have one core each. Clients take turns
within a round. `tune` is the whole tool (`tune measure`), `client` its client alone, `aiohttp` a
general HTTP client stamped before parsing; aiperf, guidellm and vllm are run where their programs
are found on PATH. Nothing else should run on the machine.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import date
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import numpy as np
import numpy.typing as npt
import psutil

from bench.peers import PEERS, Peer
from tuner.testing import serving
from tuner.testing.paced_server import Stamps, read_stamps

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Setting:
    """A load, and how many requests of it are sent."""

    name: str
    concurrency: int
    rate: float
    requests: int


SETTINGS = (
    Setting("c1", 1, 0, 100),
    Setting("c32", 32, 0, 2500),
    Setting("c128", 128, 0, 6000),
    Setting("c256", 256, 0, 8000),
    Setting("50/s", 1, 50, 750),
)
SHORT = 16
"""Requests of the run that is taken off, so that CPU per request is without start-up."""


@dataclass(frozen=True, slots=True)
class Run:
    """One client under one load. Errors are client minus server, in ms.

    `ttft_p99` and the like are differences of quantiles, the same for every client;
    `ttft_each_p99` is the p99 of the errors of single requests, where they can be told apart.
    `pace_p99` is how late the server itself wrote, and `server_cpu` the share of its core.
    """

    client: str
    load: str
    n: int
    ttft_p50: float
    ttft_p99: float
    e2e_p50: float
    e2e_p99: float
    ttft_each_p99: float | None
    e2e_each_p99: float | None
    cpu_ms: float
    rate: float
    start_s: float
    pace_p99: float
    server_cpu: float


@dataclass(frozen=True, slots=True)
class Ran:
    """One run of a client's process: what it reported, and what the server saw of it."""

    rows: list[dict[str, Any]]
    stamps: list[Stamps]
    cpu_s: float
    server_cpu_s: float
    began_ns: int


def measured(peer: Peer, setting: Setting, url: str) -> Run:
    """Run a client twice, shortly and in full, and hold it against the server."""
    short = ran(peer, setting, url, SHORT if not setting.rate else SHORT * 2)
    full = ran(peer, setting, url, setting.requests)
    served = [s for s in full.stamps if s.last_ns is not None]
    ttft, e2e = _truth(served)
    each = _each(full)
    more = max(1, len(served) - len([s for s in short.stamps if s.last_ns is not None]))
    span_s = (max(s.last_ns or 0 for s in served) - min(s.arrival_ns for s in served)) / 1e9
    reported = {k: np.array([r[k] for r in full.rows]) for k in ("ttft_s", "e2e_s")}
    return Run(
        client=peer.name,
        load=setting.name,
        n=len(full.rows),
        ttft_p50=_gap_ms(reported["ttft_s"], ttft, 0.5),
        ttft_p99=_gap_ms(reported["ttft_s"], ttft, 0.99),
        e2e_p50=_gap_ms(reported["e2e_s"], e2e, 0.5),
        e2e_p99=_gap_ms(reported["e2e_s"], e2e, 0.99),
        ttft_each_p99=each and each[0],
        e2e_each_p99=each and each[1],
        cpu_ms=(full.cpu_s - short.cpu_s) / more * 1e3,
        rate=len(served) / span_s,
        start_s=(short.stamps[0].arrival_ns - short.began_ns) / 1e9,
        pace_p99=float(np.quantile([_late_ms(s) for s in served], 0.99)),
        server_cpu=full.server_cpu_s / span_s,
    )


def ran(peer: Peer, setting: Setting, url: str, requests: int) -> Ran:
    """Run a client's process on its own core, and collect what both sides say."""
    _asked(url, "DELETE")
    cpu_before_s, _ = read_stamps(_asked(url, "GET"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command = peer.command(url, setting.concurrency, setting.rate, requests, folder)
        before, began_ns = _children_cpu_s(), time.monotonic_ns()
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, cwd=peer.cwd)
            _pin(process.pid, -1)
            code = process.wait(timeout=590)
        if code not in peer.fine:
            told = (folder / "log").read_text(errors="replace")[-2000:]
            raise SystemExit(f"{peer.name} ended with {code}:\n{told}")
        cpu_s = _children_cpu_s() - before
        cpu_after_s, stamps = read_stamps(_asked(url, "GET"))
        return Ran(peer.read(folder), stamps, cpu_s, cpu_after_s - cpu_before_s, began_ns)


def _truth(served: Sequence[Stamps]) -> tuple[Floats, Floats]:
    arrived = np.array([s.arrival_ns for s in served])
    first, last = (np.array([getattr(s, k) for s in served]) for k in ("first_ns", "last_ns"))
    return (first - arrived) / 1e9, (last - arrived) / 1e9


def _each(full: Ran) -> tuple[float, float] | None:
    """Return the p99 of the errors of single requests in ms, where rows carry their key."""
    if not all("key" in row for row in full.rows):
        return None
    by_key = {s.key: s for s in full.stamps}
    ttft, e2e = _truth([by_key[row["key"]] for row in full.rows])
    errors = [np.array([r[k] for r in full.rows]) - truth
              for k, truth in (("ttft_s", ttft), ("e2e_s", e2e))]  # fmt: skip
    first, last = (float(np.quantile(e, 0.99)) * 1e3 for e in errors)
    return first, last


def _gap_ms(reported: Floats, truth: Floats, q: float) -> float:
    return float(np.quantile(reported, q) - np.quantile(truth, q)) * 1e3


def _late_ms(stamps: Stamps) -> float:
    return ((stamps.last_ns or 0) - (stamps.last_due_ns or 0)) / 1e6


def _asked(url: str, method: str) -> bytes:
    with urlopen(Request(url + "/stamps", method=method), timeout=30) as response:
        body: bytes = response.read()
        return body


def _children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _pin(pid: int, place: int) -> None:
    """Give a process one core, where there are two and the system can do it."""
    cores = psutil.cpu_count() or 1
    if cores > 1 and hasattr(psutil.Process, "cpu_affinity"):
        psutil.Process(pid).cpu_affinity([range(cores)[place]])


def runs(peers: Sequence[Peer], settings: Sequence[Setting], rounds: int) -> Iterator[Run]:
    """Yield runs: in each round every load, and under it every client in turn."""
    command = [sys.executable, "-m", "tuner.testing.paced_server"]
    with serving.running(command) as (process, port):
        _pin(process.pid, 0)
        for _ in range(rounds):
            for setting in settings:
                for peer in peers:
                    yield measured(peer, setting, f"http://127.0.0.1:{port}")


def read(file: Path) -> list[Run]:
    """Return the runs of a file that --out wrote."""
    known = {f.name for f in fields(Run)}
    lines = map(json.loads, file.read_text(encoding="utf-8").splitlines())
    return [Run(**{k: v for k, v in line.items() if k in known}) for line in lines]


def table(found: Sequence[Run]) -> str:
    """Return the medians over rounds as a Markdown table."""
    shown = [f.name for f in fields(Run)][3:]
    lines = [
        f"| client | load | n | {' | '.join(shown)} |",
        "|---|---|" + "---:|" * (len(shown) + 1),
    ]
    for client, load in dict.fromkeys((r.client, r.load) for r in found):
        same = [r for r in found if (r.client, r.load) == (client, load)]
        cells = [_median([getattr(r, name) for r in same]) for name in shown]
        lines.append(f"| {client} | {load} | {same[0].n} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _median(values: Sequence[float | None]) -> str:
    known = [v for v in values if v is not None]
    if not known:
        return "-"
    if len(known) == 1:
        return f"{known[0]:.2f}"
    return f"{np.median(known):.2f} [{min(known):.2f}, {max(known):.2f}]"


def main() -> None:
    """Make the runs, keep them, print the table."""
    parser = argparse.ArgumentParser(
        "python -m bench.fidelity", None, __doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--clients", nargs="+", choices=[p.name for p in PEERS])
    parser.add_argument("--loads", nargs="+", choices=[s.name for s in SETTINGS])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--out", type=Path, help="append each run as a JSON line")
    parser.add_argument("--show", type=Path, help="print the table of a file of runs, and run none")
    given = parser.parse_args()
    if given.show:
        print(table(read(given.show)))
        return
    peers = [p for p in PEERS if p.name in (given.clients or (p.name,)) and p.found()]
    settings = [s for s in SETTINGS if s.name in (given.loads or (s.name,))]
    found = []
    for run in runs(peers, settings, given.rounds):
        found.append(run)
        print(run, file=sys.stderr)
        if given.out:
            with given.out.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"date": str(date.today()), **asdict(run)}) + "\n")
    print(table(found))


if __name__ == "__main__":
    main()
