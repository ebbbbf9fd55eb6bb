"""What the machine offers."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from tuner.workflow.environment import free_memory_bytes


@pytest.mark.parametrize("file", ["memory.max", "memory/memory.limit_in_bytes"])
def test_a_cgroup_bounds_the_memory(tmp_path: Path, file: str) -> None:
    """In a container the limit counts, not what the host has."""
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text("1000000\n")

    assert free_memory_bytes(tmp_path) == 1_000_000


def test_no_limit_is_the_machine_s_memory(tmp_path: Path) -> None:
    """`max`, and no cgroup at all, mean what the machine has left."""
    (tmp_path / "memory.max").write_text("max\n")

    assert 0 < free_memory_bytes(tmp_path) <= psutil.virtual_memory().total
    assert 0 < free_memory_bytes(tmp_path / "nowhere") <= psutil.virtual_memory().total
