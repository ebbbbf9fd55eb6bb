"""What it takes to put a candidate in force, and a request that shows what came of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Literal

from tuner.engines.serving import control
from tuner.load.wire import Request
from tuner.spec.errors import EngineDied
from tuner.spec.knobs import Knob
from tuner.spec.values import Candidate

Change = Literal["nothing", "reload", "restart"]

_LIMITS = ("max_tokens", "max_completion_tokens", "n_predict")


def cost(knobs: Mapping[str, Knob], candidate: Candidate, in_force: Candidate) -> Change:
    """Return what has to be done to serve a candidate where another one is in force.

    That is the dearest tier of the knobs in which they differ; nothing for those of a request.
    """
    tiers = {k.tier for n, k in knobs.items() if candidate.get(n) != in_force.get(n)}
    if "restart" in tiers:
        return "restart"
    return "reload" if "reload" in tiers else "nothing"


async def probe(what: str, address: str, request: Request, most_tokens: int | None = None) -> None:
    """Send one request without streaming, so that the server can show what settings it used.

    `most_tokens` bounds the answer where the request itself does not. Raises EngineDied, naming
    `what`, where it is not answered.
    """
    body = json.loads(request.body) | {"stream": False}
    body.pop("stream_options", None)
    if most_tokens is not None and not any(limit in body for limit in _LIMITS):
        body["max_tokens"] = most_tokens
    status, answer = await control.call("POST", address + request.path, body)
    if status != 200:
        raise EngineDied(f"{what} answered its first request with {status}: {answer}")
