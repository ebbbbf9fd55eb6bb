"""What a request to vLLM carries beside a conversation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuner.spec.knobs import Knob, limited
from tuner.spec.values import Candidate, Setting


def fields(
    knobs: Mapping[str, Knob],
    candidate: Candidate,
    response_format: Any = None,
    output_tokens: int | None = None,
) -> dict[str, Setting]:
    """Return the fields of a body by their names; a limit below 1 means none.

    With `output_tokens` the answer is to be so long: it does not end before, unless it has a form,
    which has an end of its own.
    """
    goes_on = output_tokens is not None and response_format is None
    candidate = limited(knobs, candidate, output_tokens)
    found = {
        knob.key or name: candidate[name]
        for name, knob in knobs.items()
        if knob.tier == "request" and _sent(knob, candidate[name])
    }
    return {**found, "ignore_eos": True} if goes_on else found


def _sent(knob: Knob, value: Setting) -> bool:
    if knob.says_nothing(value):
        return False
    return not (knob.role == "limit" and isinstance(value, int | float) and value < 1)
