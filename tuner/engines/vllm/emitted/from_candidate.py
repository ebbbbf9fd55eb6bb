"""From a candidate that was served to the files that put it into service."""

from __future__ import annotations

from tuner.engines.artifacts import ServedCandidate
from tuner.engines.openai.artifacts import hosted_files
from tuner.engines.vllm.emitted.artifacts import artifacts
from tuner.engines.vllm.engine import Vllm


def files(served: ServedCandidate) -> dict[str, str]:
    """Return file name -> text; of a server that is not ours what each request carries.

    Raises InputError for an option that vLLM's own file cannot hold.
    """
    engine, serving = served.engine, served.serving
    request = engine.request((), served.candidate, serving.response_format)
    if isinstance(engine, Vllm):
        return artifacts(engine.service(served.candidate), request, serving, served.evidence)
    assert served.study.url is not None
    return hosted_files(served.study.url, request, {}, serving, served.evidence)
