"""Whether a GPU may hold layers of a model, so that free memory alone does not say what fits."""

from __future__ import annotations

from pathlib import Path

from tuner.spec.values import Candidate

DEVICES = ("nvidia[0-9]*", "kfd", "dxg")
"""Devices of NVIDIA's and AMD's drivers for Linux, and of a GPU that Windows lends to its Linux.

Apple's silicon has one memory for both, which free memory describes.
"""


def has_gpu(devices: Path = Path("/dev")) -> bool:
    """Tell whether this machine shows a GPU with a memory of its own."""
    return any(next(devices.glob(name), None) for name in DEVICES)


def may_hold_layers(candidate: Candidate, *, gpu: bool) -> bool:
    """Tell whether Ollama may put layers of a candidate into a GPU: num_gpu 0 forbids it."""
    return gpu and candidate["num_gpu"] != 0
