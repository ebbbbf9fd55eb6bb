"""Several client processes: one plan, one clock, and nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest
from scipy import stats

from tests.load.paced import held
from tests.processes import still_running
from tuner.spec.errors import ClientDied
from tuner.spec.values import Load, Sample
from tuner.testing.paced_server import running

OWNER = """
import asyncio, itertools, sys
from tests.load.paced import calls
from tuner.engines.openai.engine import OpenAI
from tuner.spec.address import url
from tuner.load.drive import drive
from tuner.spec.values import Load

engine = OpenAI(url(sys.argv[1]), "default")
print("begun", flush=True)
load = Load(concurrency=4, client_processes=2)
asyncio.run(drive(calls(engine), load, engine.transport(), engine.read, engine_start=1))
"""


@pytest.mark.parametrize("processes", [1, 2])
def test_arrivals_at_the_server_are_those_of_the_plan(processes: int) -> None:
    """The server sees Poisson arrivals at the rate that was asked for, however many send them."""
    found = held(Load(rate=40.0, client_processes=processes), 240)
    arrivals = np.sort([s.arrival_ns for s in found.stamps]) / 1e9
    planned = np.sort([s.planned_ns for s in found.driven.samples]) / 1e9

    assert len(arrivals) == 240
    assert np.ptp(arrivals) == pytest.approx(np.ptp(planned), rel=0.1)
    assert stats.kstest(np.diff(planned), "expon", args=(0, 0.025)).pvalue > 0.01
    assert stats.kstest(np.diff(arrivals), "expon", args=(0, 0.025)).pvalue > 1e-6


def test_processes_share_a_closed_loop() -> None:
    """Together they keep as many requests in flight as one would, and lose none."""
    found = held(Load(concurrency=5, client_processes=2), 60)
    spans = [(s.sent_ns, s.last_ns or 0) for s in found.driven.samples]
    in_flight = [sum(a <= at < b for a, b in spans) for at, _ in spans]

    assert len({s.prompt_id for s in found.driven.samples}) == 60
    assert {s.outcome for s in found.driven.samples} == {"ok"}
    assert max(in_flight) <= 5
    assert found.driven.client_cpu_s > 0


@pytest.mark.parametrize("load", [Load(concurrency=4), Load(rate=100.0)], ids=["closed", "open"])
def test_processes_stop_when_told(load: Load) -> None:
    """What was in flight when the stop rule fired is waited for; the rest is not sent."""
    several = Load(load.concurrency, load.rate, client_processes=2)

    found = held(several, 2000, stop=lambda sample: sample.prompt_id == "20")

    assert 20 <= len(found.driven.samples) < 400
    assert {s.outcome for s in found.driven.samples} == {"ok"}


def test_a_client_process_that_is_killed_is_an_error_with_a_name() -> None:
    """The measurement ends at once with ClientDied, and the other process is ended."""

    def kill_one(sample: Sample) -> bool:
        if not killed:
            killed.extend(_workers(os.getpid()))
            killed[0].kill()
        return False

    killed: list[psutil.Process] = []
    with pytest.raises(ClientDied, match="ended with code -9"):
        held(Load(concurrency=4, client_processes=2), 10_000, stop=kill_one)

    assert len(killed) == 2
    assert still_running(*(w.pid for w in killed)) == []


def test_client_processes_end_with_their_owner() -> None:
    """SIGKILL of the process that measures leaves none of its client processes."""
    with (
        running("--tokens", "4") as port,
        subprocess.Popen(
            [sys.executable, "-c", OWNER, f"http://127.0.0.1:{port}"], stdout=subprocess.PIPE
        ) as owner,
    ):
        assert owner.stdout is not None
        owner.stdout.readline()
        workers = _awaited_workers(owner.pid)
        owner.send_signal(signal.SIGKILL)
        owner.wait(20)

        assert len(workers) == 2
        assert still_running(*(w.pid for w in workers)) == []


def _workers(owner: int) -> list[psutil.Process]:
    children = psutil.Process(owner).children()
    alive = [c for c in children if c.status() != psutil.STATUS_ZOMBIE]  # of other tests
    return [c for c in alive if "tuner.load.worker" in c.cmdline()]


def _awaited_workers(owner: int) -> list[psutil.Process]:
    deadline = time.monotonic() + 15
    while len(found := _workers(owner)) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    return found
