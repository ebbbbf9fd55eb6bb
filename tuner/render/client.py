"""Ready programs that ask the model as it was measured: with ollama-python, with openai."""

from __future__ import annotations

import json

from tuner.render.templates import fill

FILES = ("ask_ollama.py", "ask_openai.py")


def programs(client_json: str) -> dict[str, str]:
    """Return file name -> program; each reads the client.json beside it."""
    values = {"dynamic": "dynamic_shots" in json.loads(client_json)}
    return {name: fill(f"{name}.j2", values) for name in FILES}
