"""What an engine uses is read, or it is said why not."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.engines.servers import FAST
from tests.workflow.worlds import study, world
from tuner.engines.base import Engine
from tuner.machine import usage
from tuner.machine.resources import (
    Gpu,
    Resources,
    from_document,
    in_words,
    merged,
    resources_document,
)
from tuner.testing.fake_engine import FakeEngine
from tuner.testing.simulated import SimulatedEngine
from tuner.testing.virtual_time import run as virtually
from tuner.workflow.measuring.measure import measure


class Refused(Exception):
    """What the library raises."""


@dataclass
class Library:
    """NVIDIA's library as far as it is used, with one GPU; `samples` are (time, percent)."""

    samples: Sequence[tuple[int, int]] = ()
    memory: int | None = 2**30
    NVMLError: type[Exception] = Refused
    NVML_GPU_UTILIZATION_SAMPLES: int = 1
    asked: list[int] = field(default_factory=list)

    def nvmlDeviceGetCount(self) -> int:
        return 1

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        return index

    def nvmlDeviceGetName(self, gpu: int) -> str:
        return "H100"

    def nvmlDeviceGetMemoryInfo(self, gpu: int) -> Any:
        if self.memory is None:
            raise Refused
        return SimpleNamespace(used=self.memory, total=2 * self.memory)

    def nvmlDeviceGetSamples(self, gpu: int, kind: int, since: int) -> Any:
        newer = [(at, share) for at, share in self.samples if at > since]
        if not newer:
            raise Refused  # as the driver does it: not found
        return 1, [
            SimpleNamespace(timeStamp=at, sampleValue=SimpleNamespace(uiVal=share))
            for at, share in newer
        ]


class Spender(SimulatedEngine):
    """An engine that used as many CPU seconds as it is told."""

    def cpu_s(self) -> float | None:
        return self.restart_s


def seen(library: Any) -> usage.Began:
    """Return what had been used when measuring began, on a machine with that library."""
    engine = Spender(world, restart_s=1.0)
    return usage.begin(engine, ours=True, nvml=lambda: (library, None))


def test_a_gpu_s_use_is_that_of_the_window() -> None:
    """Samples from before measuring do not count; memory is what is in use at its end."""
    library = Library([(10, 100), (20, 100)])
    began = seen(library)
    library.samples = [*library.samples, (30, 40), (40, 60)]
    found = usage.used(began, Spender(world, restart_s=4.0), 2.0)

    assert found == Resources(2.0, 3.0, (Gpu("H100", 2**30, 0.5),), None)
    assert found.cores == 1.5
    assert "1.50 cores on average" in in_words(found)
    assert "H100, 1024 MiB in use, busy 50 %" in in_words(found)


def test_what_a_gpu_does_not_tell_is_none() -> None:
    """No new sample and no memory are no zeroes."""
    library = Library([(10, 100)], memory=None)
    found = usage.used(seen(library), Spender(world, restart_s=4.0), 2.0)

    assert found.gpus == (Gpu("H100", None, None),)
    assert "? MiB in use, busy ? %" in in_words(found)


def test_a_count_that_fell_is_no_use() -> None:
    """Where processes ended and took their count along, nobody knows what was used."""
    found = usage.used(seen(Library()), Spender(world, restart_s=0.5), 2.0)

    assert (found.cpu_s, found.cores) == (None, None)


def test_without_library_or_process_it_is_said_why() -> None:
    """GPUs of an engine that is not ours are not looked at."""
    engine: Engine = SimulatedEngine(world)
    found = usage.used(usage.begin(engine, ours=False), engine, 1.0)

    assert (found.cpu_s, found.gpus, found.no_gpus) == (None, (), usage.NOT_OURS)
    assert "no process of ours" in in_words(found)
    library, why = usage.nvml()
    assert (library is None) == (why is not None)


def test_a_measurement_holds_what_its_engine_used(tmp_path: Path) -> None:
    """A real process uses CPU; the trial's folder and the document hold the same numbers."""
    import asyncio

    made = study(baseline={})
    engine = FakeEngine(tmp_path / "logs", FAST)
    found, _ = asyncio.run(measure(made, tmp_path / "o", requests=20, engine=engine))
    kept = json.loads((tmp_path / "o" / "trials" / "0000" / "trial.json").read_text())
    document = json.loads((tmp_path / "o" / "measurement.json").read_text())

    assert found.resources is not None
    assert found.resources.cpu_s is not None
    assert found.resources.elapsed_s > 0
    assert from_document(kept["resources"]) == found.resources
    assert document["resources"]["cpu_s"] == found.resources.cpu_s
    assert document["resources"]["memory_bytes"] == document["memory_bytes"]


def test_a_simulated_study_stays_what_it_was(tmp_path: Path) -> None:
    """In virtual time nothing is read from this machine: two runs give the same document."""

    def document(name: str) -> Any:
        virtually(measure(study(), tmp_path / name, requests=20, engine=SimulatedEngine(world)))
        found = json.loads((tmp_path / name / "measurement.json").read_text())
        del found["client"]["cpu_s"], found["client"]["cpu_share"]  # of our own process
        return found

    assert document("one") == document("other")
    assert document("third")["resources"]["cpu_s"] is None


@pytest.mark.parametrize("missing", [False, True])
def test_windows_are_added(missing: bool) -> None:
    """Seconds add up, busy shares by their length, memory is the larger; unknown stays unknown."""
    one = Resources(1.0, None if missing else 1.0, (Gpu("G", 5, 0.2),))
    other = Resources(3.0, 2.0, (Gpu("G", None if missing else 7, 0.6),))
    both = merged(one, other)

    assert both is not None
    assert both.elapsed_s == 4.0
    assert both.cpu_s == (None if missing else 3.0)
    assert both.gpus == (Gpu("G", 5 if missing else 7, pytest.approx(0.5)),)
    assert merged(None, other) == merged(other, None) == other
    assert from_document(json.loads(json.dumps(asdict(both)))) == both
    assert resources_document(None, 5) is None


def test_the_memory_of_the_smallest_gpu_is_told_where_there_is_one() -> None:
    """Without a library, and for a GPU that does not say, it is unknown."""
    assert usage.least_gpu_bytes(lambda: (Library(memory=2**34), None)) == 2**35
    assert usage.least_gpu_bytes(lambda: (Library(memory=None), None)) is None
    assert usage.least_gpu_bytes(lambda: (None, "no driver")) is None
