"""A server that somebody else runs, as a study says how it is reached (`kind: openai`)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from tuner.engines.serving.usual_knobs import usual
from tuner.spec.errors import InputError
from tuner.spec.knobs import LEFT_TO_ENGINE, Knob, by_name
from tuner.spec.values import Candidate, Setting

LIMIT = "num_predict"

_NUMBERS = (
    "temperature", "top_p", "presence_penalty", "frequency_penalty", "seed",
    "top_k", "min_p", "repeat_penalty", "repetition_penalty",
)  # fmt: skip

USUAL_KNOBS: Mapping[str, Knob] = by_name(
    usual(Knob(LIMIT, "request", 256, "client", key="max_tokens")),
    *(usual(Knob(n, "request", "auto", "client", kind="number")) for n in _NUMBERS),
    Knob("stop", "request", "", "client"),
    Knob(
        "ignore_eos",
        "request",
        "auto",
        "client",
        kind="switch",
        about="Whether answers go on to their limit (llama.cpp, vLLM).",
    ),
)
"""The sampling fields of the OpenAI API reference, and those that llama.cpp and vLLM add.

What nobody sets is not sent, since servers have defaults of their own and refuse what they do
not know; but for the limit, as an endless answer costs too much.
"""


@dataclass(frozen=True, slots=True)
class FromEnvironment:
    """The value of a header that no file holds: that of a variable, after `prefix`."""

    variable: str
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class Remote:
    """What a server wants beside a conversation, and what it lacks.

    `headers` go with every request, `knobs` are the fields of its body that may be set.
    `stream_options` is false for a server that refuses this field, and then perhaps counts no
    tokens.
    """

    headers: Mapping[str, str | FromEnvironment] = field(default_factory=dict)
    stream_options: bool = True
    knobs: Mapping[str, Knob] = field(default_factory=lambda: USUAL_KNOBS)

    def fields(self, candidate: Candidate) -> dict[str, Setting]:
        """Return what a request carries for the candidate; a limit below 1 means none."""
        named = ((knob, candidate.get(name)) for name, knob in self.knobs.items())
        return {
            knob.key or knob.name: value
            for knob, value in named
            if value is not None
            and value not in LEFT_TO_ENGINE
            and not (knob.role == "limit" and isinstance(value, int | float) and value < 1)
        }

    @property
    def variables(self) -> tuple[str, ...]:
        """Return the variables of the environment from which headers take their values."""
        return tuple(v.variable for v in self.headers.values() if isinstance(v, FromEnvironment))

    def missing(self) -> tuple[str, ...]:
        """Return the variables that the environment lacks."""
        return tuple(name for name in self.variables if not _set_to(name))

    def secrets(self) -> tuple[str, ...]:
        """Return the values that stand in no file, and may come into none."""
        return tuple(filter(None, map(_set_to, self.variables)))

    def filled(self) -> tuple[tuple[str, str], ...]:
        """Return the headers with their values; raise InputError for a variable that is not set."""
        return tuple((name, _value(name, told)) for name, told in self.headers.items())


def _value(header: str, told: str | FromEnvironment) -> str:
    if isinstance(told, str):
        return told
    value = _set_to(told.variable)
    if not value:
        raise InputError(
            f"the environment has no {told.variable}, which the header {header} takes its value "
            f"from; set it: export {told.variable}=..."
        )
    if not value.isprintable() or not value.isascii():
        raise InputError(
            f"the variable {told.variable} holds characters that no header can have; expected one "
            "line of ASCII"
        )
    return told.prefix + value


def _set_to(variable: str) -> str:
    return os.environ.get(variable, "").strip()
