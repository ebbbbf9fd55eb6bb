"""From a candidate that was served to the files that put it into service."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tuner.engines.artifacts import ServedCandidate
from tuner.engines.base import Seen
from tuner.engines.openai.artifacts import hosted_files
from tuner.engines.vllm.emitted.artifacts import CONFIG, SCRIPT, artifacts
from tuner.engines.vllm.emitted.check import ensure_read
from tuner.engines.vllm.engine import Vllm
from tuner.spec.address import url
from tuner.spec.errors import EngineError


def files(served: ServedCandidate) -> dict[str, str]:
    """Return file name -> text; of a server that is not ours what each request carries.

    Raises InputError for an option that vLLM's own file cannot hold.
    """
    engine, serving = served.engine, served.serving
    request = engine.request((), served.candidate, serving.response_format)
    if isinstance(engine, Vllm):
        return artifacts(engine.service(served.candidate), request, serving, served.evidence)
    assert isinstance(engine, Seen)
    at = served.study.url or url(engine.server)
    return hosted_files(at, request, {}, serving, served.evidence)


def checked(served: ServedCandidate, files: Mapping[str, str]) -> str | None:
    """Return in a sentence whether the installed vLLM reads the files that start it."""
    engine = served.engine
    if not isinstance(engine, Vllm):
        return None
    service = engine.service(served.candidate)
    try:
        ensure_read(Path(service.program[0]), service, files)
    except EngineError as problem:
        return str(problem)
    return f"vLLM {service.version} itself reads {CONFIG} and {SCRIPT}, and both alike"
