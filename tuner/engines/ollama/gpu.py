"""Whether a GPU may hold layers of a model, so that free memory alone does not say what fits."""

from __future__ import annotations

from tuner.machine.gpus import has_gpu
from tuner.spec.values import Candidate

__all__ = ["has_gpu", "may_hold_layers"]


def may_hold_layers(candidate: Candidate, *, gpu: bool) -> bool:
    """Tell whether Ollama may put layers of a candidate into a GPU: num_gpu 0 forbids it."""
    return gpu and candidate["num_gpu"] != 0
