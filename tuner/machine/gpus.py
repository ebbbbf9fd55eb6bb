"""Whether this machine has a GPU, so that free memory alone does not say what fits.

What NVIDIA's GPUs do for others, their library tells (`machine.usage.nvml`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

DEVICES = ("nvidia[0-9]*", "kfd", "dxg")
"""Devices of NVIDIA's and AMD's drivers for Linux, and of a GPU that Windows lends to its Linux.

Apple's chips are left out: CPU and GPU share one memory there, which free memory describes.
"""


def has_gpu(devices: Path = Path("/dev")) -> bool:
    """Tell whether this machine shows a GPU with a memory of its own."""
    return any(next(devices.glob(name), None) for name in DEVICES)


def busiest(library: Any) -> float | None:
    """Return the share of the last second in which the busiest GPU worked, None where untold."""
    shares = [told(library, library.nvmlDeviceGetUtilizationRates, gpu) for gpu in handles(library)]
    return max((share.gpu / 100 for share in shares if share is not None), default=None)


def held_by_others(library: Any, ours: Collection[int]) -> float | None:
    """Return the largest share of a GPU's memory that processes other than ours hold."""
    found = []
    for gpu in handles(library):
        memory = told(library, library.nvmlDeviceGetMemoryInfo, gpu)
        if memory is not None:
            held = memory.used - _held(library, gpu, ours)
            found.append(max(held, 0) / memory.total)
    return max(found, default=None)


def most_free_bytes(library: Any) -> int | None:
    """Return the free memory of the GPU that has most of it, None where nobody tells."""
    memories = [told(library, library.nvmlDeviceGetMemoryInfo, gpu) for gpu in handles(library)]
    return max((int(memory.free) for memory in memories if memory is not None), default=None)


def handles(library: Any) -> list[Any]:
    """Return NVIDIA's handle of each GPU."""
    return [library.nvmlDeviceGetHandleByIndex(i) for i in range(library.nvmlDeviceGetCount())]


def told(library: Any, ask: Callable[..., Any], *of: Any) -> Any | None:
    """Return what the driver tells, None for what this GPU does not support."""
    try:
        return ask(*of)
    except library.NVMLError:
        return None


def _held(library: Any, gpu: Any, pids: Collection[int]) -> int:
    """Return the memory that processes hold, as far as the driver tells."""
    running = told(library, library.nvmlDeviceGetComputeRunningProcesses, gpu) or ()
    return sum(int(p.usedGpuMemory or 0) for p in running if p.pid in pids)
