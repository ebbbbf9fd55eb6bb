"""What the machine offers."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from tests.kernel_files import write
from tuner.workflow.environment import free_memory_bytes


@pytest.mark.parametrize("file", ["memory.max", "memory/memory.limit_in_bytes"])
def test_a_cgroup_bounds_the_memory(tmp_path: Path, file: str) -> None:
    """In a container the limit counts, not what the host has."""
    kernel = write(tmp_path, {f"sys/fs/cgroup/{file}": "1000000\n"})

    assert free_memory_bytes(kernel) == 1_000_000


def test_no_limit_is_the_machine_s_memory(tmp_path: Path) -> None:
    """`max`, and no cgroup at all, mean what the machine has left."""
    unlimited = write(tmp_path, {"sys/fs/cgroup/memory.max": "max\n"})
    nothing = write(tmp_path / "nowhere", {})

    assert 0 < free_memory_bytes(unlimited) <= psutil.virtual_memory().total
    assert 0 < free_memory_bytes(nothing) <= psutil.virtual_memory().total
