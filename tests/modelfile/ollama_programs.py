"""Programs made of Ollama's own Go packages, which ours are held against."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest


def built(name: str, folder: Path) -> Path:
    """Build the program of a folder beside this file into `folder`; skip, with the reason, if not.

    Go keeps what it fetched and compiled in caches of its own, outside of the tree.
    """
    if shutil.which("go") is None:
        pytest.skip("go is not installed: Ollama's own packages cannot be built here")
    source, env = Path(__file__).with_name(name), os.environ | {"GOTOOLCHAIN": "local"}
    fetched = subprocess.run(
        ["go", "mod", "download"], cwd=source, env=env, capture_output=True, text=True
    )
    if fetched.returncode:
        pytest.skip(f"the source of Ollama cannot be fetched here: {fetched.stderr[-200:]}")
    program = folder / name
    subprocess.run(
        ["go", "build", "-mod=readonly", "-o", str(program), "."], cwd=source, env=env, check=True
    )
    return program
