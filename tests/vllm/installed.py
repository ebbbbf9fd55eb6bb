"""The vLLM that tests marked `vllm` run, in an environment of its own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def python() -> Path:
    """Return the Python that has vLLM; skip the test where there is none."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    found = cache / "modelfile-tuner" / "vllm" / "venv" / "bin" / "python"
    if not found.exists():
        pytest.skip("vLLM is not installed in an environment of its own")
    return found
