"""What is usable on this machine, and what would disturb measuring on it."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Mapping

from tuner.engines import models
from tuner.engines.llamacpp import engine as llamacpp
from tuner.machine.counters import counters, cpu_by_process, since
from tuner.machine.kernel import HERE, Kernel
from tuner.machine.system import can_measure, limits
from tuner.report.diagnosis import Diagnosis, EngineFinding, Finding
from tuner.spec.errors import EngineMissing
from tuner.spec.study_file import BUILT_ENGINES
from tuner.workflow.machine_findings import busiest, findings

PROGRAMS: Mapping[str, str] = {
    "ollama": "curl -fsSL https://ollama.com/install.sh | sh",
    "vllm": "python -m pip install vllm",
}
"""Engines that are programs, and how each is installed."""

ALWAYS: Mapping[str, str] = {
    "command": "any OpenAI-compatible server that a study starts is tuned; nothing to install",
    "openai": "the requests to any running OpenAI-compatible server are tuned; nothing to install",
}
"""Engines that need nothing of this machine."""


def diagnose(kernel: Kernel = HERE, seconds: float = 1.0) -> Diagnosis:
    """Return which engines are usable and what disturbs; look at the CPUs for some seconds."""
    before, processes = counters(kernel), cpu_by_process(kernel)
    time.sleep(seconds)
    window = since(before, kernel)
    others = busiest(processes, cpu_by_process(kernel), seconds)
    return Diagnosis(engines(), [*system(), *findings(kernel, window, others)], window)


def system(platform: str = sys.platform) -> list[Finding]:
    """Return what an operating system lacks, [] on Linux."""
    if (said := limits(platform)) is None:
        return []
    return [Finding("system", "note" if can_measure(platform) else "warning", said)]


# engines
def engines(path: str | None = None) -> list[EngineFinding]:
    """Return what each kind of engine needs; programs are looked for in `path`, or in PATH."""
    found = [_llamacpp(), *(_program(name, path) for name in PROGRAMS)]
    return [*found, *(EngineFinding(True, Finding(n, "ok", t)) for n, t in ALWAYS.items())]


def _llamacpp() -> EngineFinding:
    try:
        llamacpp.embedded_server()
        model = models.default_path().stem
    except EngineMissing as error:
        return EngineFinding(False, Finding("llamacpp", "warning", _one_line(error)))
    version = f"xllamacpp {llamacpp.package_version()} with the packaged model {model}"
    return EngineFinding(True, Finding("llamacpp", "ok", f"{version} is installed"))


def _one_line(error: EngineMissing) -> str:
    return " ".join(str(error).split())


def _program(name: str, path: str | None) -> EngineFinding:
    there, built = shutil.which(name, path=path), name in BUILT_ENGINES
    text = f"found at {there}" if there else f"not found; install it with: {PROGRAMS[name]}"
    if not built:
        text += "; this version of tune only measures its running server, with engine openai"
    return EngineFinding(
        built and bool(there), Finding(name, "ok" if built and there else "note", text)
    )
