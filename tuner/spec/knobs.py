"""One setting of an engine, said once: all that other rooms need to know of it.

They ask for roles, never for names: what Ollama calls num_ctx has the role `context`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from tuner.spec.values import Candidate, Setting, Tier

Where = Literal["modelfile", "environment", "command", "client"]
Kind = Literal["whole number", "number", "switch", "word"]
Role = Literal[
    "attention",
    "batch",
    "cache",
    "context",
    "gpu_layers",
    "limit",
    "model",
    "scheduling",
    "slots",
    "temperature",
    "threads",
]
"""What a knob means to other rooms: `limit` is the most tokens of an answer, `context` the window
in tokens, `slots` the requests that are served at once, `cache` the type of the KV cache,
`temperature` how far from the likeliest token is drawn."""

LEFT_TO_ENGINE = ("auto", "")
"""Values of a knob that leave it to the engine: they are sent and written nowhere."""


@dataclass(frozen=True, slots=True)
class ReadBack:
    """Where a running server tells a setting: in its log, or in the answer to a GET.

    `log` is a regular expression whose first group is the value, at its last match; `at` is
    a dotted path into the JSON that GET `get` gives, in which numbers are list indexes.
    """

    log: str | None = None
    get: str | None = None
    at: str = ""


@dataclass(frozen=True, slots=True)
class Knob:
    """One setting of an engine.

    `tier` is what a change costs; `default` what holds when nobody sets it. `where` names what
    holds it in service: a Modelfile's PARAMETER, the server's environment, the command line that
    starts a server, or only the client; there it is called `key`, where that is not its name, and
    `words` says how values are written that are written otherwise.

    `kind` is what it takes, where the default does not show that; `least` the smallest number
    that has a meaning, `choices` the words that it takes. `neutral` is the value at which it does
    least, `automatic` a number that leaves the choice to the engine, `unset` a value that is
    written nowhere. While the knob `of` says nothing, this one says nothing either. `read` says
    where a server tells what is in force, where that needs no more than looking; `about` is a
    sentence for who reads the reference.
    """

    name: str
    tier: Tier
    default: Setting
    where: Where = "modelfile"
    role: Role | None = None
    kind: Kind | None = None
    least: float | None = None
    choices: tuple[Setting, ...] = ()
    neutral: Setting | None = None
    automatic: Setting | None = None
    unset: Setting | None = None
    of: str | None = None
    key: str | None = None
    words: tuple[tuple[str, str], ...] = ()
    read: ReadBack | None = None
    about: str = ""

    @property
    def takes(self) -> Kind:
        """Return what values it takes, by its default where it is not said."""
        if self.kind is not None:
            return self.kind
        if isinstance(self.default, bool):
            return "switch"
        if isinstance(self.default, str):
            return "word"
        return "whole number" if isinstance(self.default, int) else "number"

    def leaves_open(self, value: Setting) -> bool:
        """Tell whether a value leaves the choice to the engine."""
        if value in LEFT_TO_ENGINE:
            return True
        return self.automatic is not None and value == self.automatic

    def says_nothing(self, value: object) -> bool:
        """Tell whether a value is sent and written nowhere."""
        return value is None or value in (*LEFT_TO_ENGINE, self.unset)

    def written(self, value: Setting) -> tuple[str, str]:
        """Return what the knob is called where it is written, and the text of a value there."""
        return self.key or self.name, dict(self.words).get(str(value), str(value))


def by_name(*knobs: Knob) -> Mapping[str, Knob]:
    """Return knobs by their names, in order."""
    return MappingProxyType({knob.name: knob for knob in knobs})


def name_of(knobs: Mapping[str, Knob], role: Role) -> str | None:
    """Return the name of the knob that has a role, None where none has it."""
    return next((name for name, knob in knobs.items() if knob.role == role), None)


def says_something(knobs: Mapping[str, Knob], name: str, settings: Mapping[str, object]) -> bool:
    """Tell whether a setting is sent or written; what belongs to another one is with that."""
    knob = knobs[name]
    alone = not knob.says_nothing(settings.get(name))
    return alone and (knob.of is None or says_something(knobs, knob.of, settings))


def limited(
    knobs: Mapping[str, Knob], candidate: Candidate, output_tokens: int | None
) -> Candidate:
    """Return a candidate whose limit lets an answer have so many tokens, and no more.

    A lower limit of its own stays in force; below 1 it means none. None leaves it as it is.
    """
    name = name_of(knobs, "limit")
    if output_tokens is None or name is None:
        return candidate
    own = candidate.get(name)
    bounds = isinstance(own, int | float) and 1 <= own < output_tokens
    return candidate if bounds else {**candidate, name: output_tokens}


def value_of(knobs: Mapping[str, Knob], role: Role, settings: Candidate) -> Setting | None:
    """Return the setting of the knob that has a role, None where there is none."""
    name = name_of(knobs, role)
    return None if name is None else settings.get(name)
