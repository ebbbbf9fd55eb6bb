"""Whether a GPU with a memory of its own is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tuner.machine.gpus import busiest, has_gpu, held_by_others, most_free_bytes


@pytest.mark.parametrize(
    ("device", "there"),
    [("nvidia0", True), ("nvidia12", True), ("kfd", True), ("dxg", True), ("nvidiactl", False),
     ("null", False)],
)  # fmt: skip
def test_a_gpu_is_known_by_its_device(tmp_path: Path, device: str, there: bool) -> None:
    """A driver without a GPU is none, and neither is any other device."""
    (tmp_path / device).touch()

    assert has_gpu(tmp_path) == there


def test_without_devices_there_is_none(tmp_path: Path) -> None:
    """A system without such a folder has no GPU that is known."""
    assert not has_gpu(tmp_path / "none")


class NotSupported(Exception):
    """What the library raises."""


@dataclass
class Library:
    """NVIDIA's library as far as it is used; a GPU is (used, total, busy in percent, processes)."""

    gpus: Sequence[tuple[int, int, int | None, Mapping[int, int | None]]]
    NVMLError: type[Exception] = NotSupported

    def nvmlDeviceGetCount(self) -> int:
        return len(self.gpus)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        return index

    def nvmlDeviceGetMemoryInfo(self, gpu: int) -> Any:
        used, total, _, _ = self.gpus[gpu]
        return SimpleNamespace(used=used, total=total, free=total - used)

    def nvmlDeviceGetUtilizationRates(self, gpu: int) -> Any:
        busy = self.gpus[gpu][2]
        if busy is None:
            raise NotSupported
        return SimpleNamespace(gpu=busy)

    def nvmlDeviceGetComputeRunningProcesses(self, gpu: int) -> Any:
        return [SimpleNamespace(pid=p, usedGpuMemory=m) for p, m in self.gpus[gpu][3].items()]


def test_what_others_do_on_gpus_is_that_of_the_worst() -> None:
    """Our own processes' memory is no load of production; the freest GPU has the room."""
    found = Library([(50, 100, 30, {7: 40}), (60, 100, 80, {7: None, 8: 60})])

    assert busiest(found) == 0.8
    assert held_by_others(found, {7}) == 0.6
    assert held_by_others(found, {7, 8}) == 0.1
    assert most_free_bytes(found) == 50


def test_what_a_gpu_does_not_tell_is_unknown() -> None:
    """Not idle; nor are no GPUs at all."""
    assert busiest(Library([(1, 2, None, {})])) is None
    assert busiest(Library([])) is held_by_others(Library([]), ()) is None
    assert most_free_bytes(Library([])) is None
