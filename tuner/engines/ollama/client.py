"""Ready programs that ask the model as it was measured: with ollama-python, with openai."""

from __future__ import annotations

import json
from collections.abc import Mapping

from tuner.engines.artifacts import CLIENT
from tuner.spec.templates import fill
from tuner.spec.values import Candidate

FILES = ("ask_ollama.py", "ask_openai.py")

_REPLACED = ("temperature", "top_p")
"""What Ollama's /v1 sets to 1.0 where a request does not name it (openai/openai.go)."""


def programs(files: Mapping[str, str], candidate: Candidate) -> dict[str, str]:
    """Return file name -> program; each reads the client.json beside it, {} where none is.

    The one for the OpenAI API sends what that API would replace in the model's own settings.
    """
    if CLIENT not in files:
        return {}
    client = json.loads(files[CLIENT])
    sampling = {n: candidate[n] for n in _REPLACED if isinstance(candidate.get(n), int | float)}
    values = {
        "dynamic": "dynamic_shots" in client,
        "think": "think" in client,
        "truncate": "truncate" in client,
        "sampling": sampling,
    }
    return {name: fill(f"ollama/{name}.j2", values) for name in FILES}
