"""The vLLM that tests marked `vllm` run, in an environment of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.vllm import build


def python() -> Path:
    """Return the Python that has vLLM; skip the test where there is none."""
    found = build.folder() / "venv" / "bin" / "python"
    if not found.exists():
        pytest.skip("vLLM is not installed: run `make vllm`")
    return found
