"""Whether a GPU with a memory of its own is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tuner.machine.gpus import has_gpu


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
