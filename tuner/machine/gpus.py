"""Whether this machine has a GPU, so that free memory alone does not say what fits."""

from __future__ import annotations

from pathlib import Path

DEVICES = ("nvidia[0-9]*", "kfd", "dxg")
"""Devices of NVIDIA's and AMD's drivers for Linux, and of a GPU that Windows lends to its Linux.

Apple's chips are left out: CPU and GPU share one memory there, which free memory describes.
"""


def has_gpu(devices: Path = Path("/dev")) -> bool:
    """Tell whether this machine shows a GPU with a memory of its own."""
    return any(next(devices.glob(name), None) for name in DEVICES)
