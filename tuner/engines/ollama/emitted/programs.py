"""Write programs that ask the model as it was measured: with ollama-python, with openai."""

from __future__ import annotations

import json
from collections.abc import Mapping

from tuner.engines.artifacts import CLIENT
from tuner.spec.templates import fill
from tuner.spec.values import Candidate

FILES = ("ask_ollama.py", "ask_openai.py")

_REPLACED = ("temperature", "top_p")
"""Settings that Ollama's /v1 takes as 1.0 where a request lacks them (openai/openai.go)."""


def programs(files: Mapping[str, str], candidate: Candidate) -> dict[str, str]:
    """Return file name -> program, {} without a client.json, which the programs read.

    The program for the OpenAI API sends the settings of the model that this API would replace.
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
