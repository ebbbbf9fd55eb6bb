"""Read the load of production: the machine's CPUs and GPUs beyond our own, and its own metrics."""

from __future__ import annotations

import asyncio
import math
import os
import re
import time
from collections.abc import Callable, Iterator
from functools import partial

from tuner.engines.base import Engine, Seen
from tuner.machine import gpus
from tuner.machine.counters import Counters, between, counters
from tuner.machine.disturbance import LEAST_WINDOW_S
from tuner.machine.processes import family
from tuner.machine.usage import nvml
from tuner.spec.beside import Metric, PauseWhile
from tuner.spec.errors import InputError
from tuner.spec.study import Study
from tuner.workflow.beside.gate import Gate, Watched

PAGE_S = 5.0
"""Seconds in which a page of metrics has to come."""

REST_S = 1.0
"""The driver's share of a GPU's time is that of the last second, which our own work leaves first
(NVML, nvmlUtilization_t)."""


class OtherCpus:
    """Reads the share of the CPUs that others than `tune` and its engine took since the last look.

    The first look takes a second.
    """

    def __init__(self, engine: Engine | None = None) -> None:
        self._engine = engine
        self._before: Counters | None = None

    async def read(self) -> float | None:
        """Return the share, None where nobody tells."""
        before = self._before or self._count()
        wait_s = 0.0 if before is None else before.at_s + LEAST_WINDOW_S - time.monotonic()
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        self._before = self._count()
        found = between(before, self._before)
        return None if found is None else found.others

    def _count(self) -> Counters | None:
        served = self._engine.seen_cpu_s() if isinstance(self._engine, Seen) else None
        return counters(served_s=served or 0.0)


async def gpu_busy() -> float | None:
    """Return the share of time in which the busiest GPU works while our engine rests."""
    library, _ = nvml()
    await asyncio.sleep(REST_S)
    return None if library is None else gpus.busiest(library)


async def gpu_memory() -> float | None:
    """Return the largest share of a GPU's memory that others than our processes hold."""
    library, _ = nvml()
    ours = {process.pid for process in family(os.getpid())}
    return None if library is None else gpus.held_by_others(library, ours)


async def on_page(metric: Metric) -> float | None:
    """Return a number of a page of metrics, summed over its labels, None where it is not there."""
    import aiohttp  # slow to import, and few runs ask

    try:
        timeout = aiohttp.ClientTimeout(PAGE_S)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(metric.url) as response,
        ):
            page = await response.text(errors="replace") if response.status == 200 else ""
    except (aiohttp.ClientError, TimeoutError, OSError, LookupError):
        return None
    return total(page, metric.name)


def total(page: str, name: str) -> float | None:
    """Return the sum of a page's samples of one name, None for none or what is no finite number."""
    found = list(_values(page, name))
    if not found or not all(map(math.isfinite, found)):
        return None
    return sum(found)


def _values(page: str, name: str) -> Iterator[float]:
    """Yield the values of a name's lines; one that cannot be read is not a number."""
    from prometheus_client.parser import text_string_to_metric_families

    for line in page.splitlines():
        if re.split(r"[{\s]", line, maxsplit=1)[0] != name:
            continue
        try:
            families = list(text_string_to_metric_families(f"{line}\n"))
        except (ValueError, IndexError):  # what the parser raises for a line that is none
            yield math.nan
            continue
        yield from (sample.value for found in families for sample in found.samples)


def watched(asked: PauseWhile, engine: Engine | None = None) -> list[Watched]:
    """Return the loads that a study asks for; raise InputError for one that is not told here."""
    found = []
    if asked.cpu is not None:
        if counters() is None:
            raise InputError(_unseen("cpu", "this system does not tell what other programs take"))
        share = "the share of the CPUs that others take"
        found.append(Watched(share, asked.cpu, OtherCpus(engine).read))
    if (asked.gpu or asked.gpu_memory) and (missing := nvml()[1]):
        raise InputError(_unseen("gpu", f"GPUs are {missing}"))
    if asked.gpu is not None:
        found.append(Watched("the share of time in which a GPU works", asked.gpu, gpu_busy))
    if asked.gpu_memory is not None:
        share = "the share of a GPU's memory that others hold"
        found.append(Watched(share, asked.gpu_memory, gpu_memory))
    for metric in asked.metrics:
        said = f"{metric.name} at {metric.url}"
        found.append(Watched(said, metric.threshold, partial(on_page, metric)))
    return found


def study_gate(study: Study, engine: Engine, note: Callable[[str], None]) -> Gate | None:
    """Return the gate that a study asks for, None where it asks for none; raise InputError."""
    asked = study.beside.pause_while if study.beside else None
    return None if asked is None else Gate(watched(asked, engine), asked.patience_s, note)


def _unseen(key: str, why: str) -> str:
    return f"beside.pause_while.{key}: {why}; leave it out, or name production's own metrics"
