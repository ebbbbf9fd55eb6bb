"""The key `knobs` of the section `engine`, with which a study declares knobs of its own."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping

from pydantic import Field, field_validator, model_validator

from tuner.engines.serving.usual_knobs import usual
from tuner.spec.errors import InputError
from tuner.spec.file.parts import Part, Value, Word, nearest
from tuner.spec.file.reading import regex_problem
from tuner.spec.knobs import Knob, ReadBack
from tuner.spec.requests.conversation import PROMPT_KNOBS
from tuner.spec.values import Setting

PORT, MODEL = "port", "model"
"""Names that a command line may use besides the knobs."""

OWN_FIELDS = ("messages", "model", "stream", "stream_options", "response_format")
"""Fields of a request that the tuner itself sets."""


class ReadPart(Part):
    """Where the running server tells a setting."""

    get: str | None = Field(None, description="Path of a JSON page.")
    at: Word | None = Field(
        None, description="Place in that page: keys and indexes with dots between."
    )
    log: str | None = Field(
        None, description="Regular expression on the log; its first group is the value."
    )

    @field_validator("get")
    @classmethod
    def _is_path(cls, get: str | None) -> str | None:
        return None if get is None else path(get)

    @field_validator("log")
    @classmethod
    def _has_a_group(cls, log: str | None) -> str | None:
        if log is not None and (broken := regex_problem(log)):
            raise ValueError(broken)
        if log is not None and re.compile(log).groups < 1:
            raise ValueError("expected a group, in parentheses, around the value")
        return log

    @model_validator(mode="after")
    def _one_place(self) -> ReadPart:
        if (self.get is None) == (self.log is None):
            raise ValueError("name exactly one of get (with at) and log")
        if (self.get is None) != (self.at is None):
            raise ValueError("get and at belong together: GET a page, look at a place in its JSON")
        return self


class KnobPart(Part):
    """One knob of the server."""

    tier: str = Field(
        description="request (a field of each request) or restart (part of the command)."
    )
    default: Value | None = Field(
        None, description="What holds when nobody sets it; else the baseline must."
    )
    field: str | None = Field(
        None,
        description="Field of the request that carries it, where it is not called the same.",
    )
    read: ReadPart | None = Field(
        None, description="Where the running server tells what is in force."
    )

    @field_validator("tier")
    @classmethod
    def _possible(cls, tier: str) -> str:
        if tier == "reload":
            raise ValueError(
                "a command cannot load its model again; use restart (the server is started "
                "again) or request (a field of each request)"
            )
        if tier not in ("request", "restart"):
            raise ValueError(f"expected request or restart{nearest(tier, ('request', 'restart'))}")
        return tier

    @model_validator(mode="after")
    def _field_of_a_request(self) -> KnobPart:
        if self.field is not None and self.tier != "request":
            raise ValueError("field names a request field; a knob of tier restart has none")
        return self


def path(value: str) -> str:
    """Return a path of a server; raise ValueError for what is none."""
    if not value.startswith("/"):
        raise ValueError("expected a path such as /health")
    return value


class KnobsPart(Part):
    """The key of the section `engine` with which a study declares knobs of its own."""

    knobs: dict[str, KnobPart] = Field(
        default_factory=dict,
        description="Knobs by name: those of a command line, further fields of a request, or "
        "other names of the usual ones.",
    )


def request_knobs(part: KnobsPart, usual_: Mapping[str, Knob], file: str) -> dict[str, Knob]:
    """Return the knobs of a running server: the usual ones, and those of the study on top.

    A usual one that is declared anew keeps its default where none is given. Raises InputError
    for what only a server of one's own has.
    """
    where = f"{file}: engine.knobs"
    for name, knob in part.knobs.items():
        if knob.tier != "request" or knob.read is not None:
            raise InputError(
                f"{where}.{name}: a running server has only knobs of tier request, and does not "
                "tell them; expected tier: request, and no read"
            )
    defaults = {name: knob.default for name, knob in usual_.items()}
    knobs = {**usual_, **{n: declared_knob(n, k, defaults, where) for n, k in part.knobs.items()}}
    check_names(part.knobs, where)
    check_fields({name: knob.key or name for name, knob in knobs.items()}, where)
    return knobs


def declared_knob(name: str, part: KnobPart, baseline: Mapping[str, Setting], where: str) -> Knob:
    """Return a declared knob, with its default or what the baseline says.

    Raises InputError where neither gives it a value.
    """
    default = baseline.get(name) if part.default is None else part.default
    if default is None:
        raise InputError(
            f"{where}.{name}.default: missing; give the knob a value here or in baseline"
        )
    read = None if part.read is None else _read_back(part.read)
    if part.tier == "request":
        return usual(Knob(name, "request", default, "client", key=part.field, read=read))
    return usual(Knob(name, "restart", default, "command", read=read))


def _read_back(part: ReadPart) -> ReadBack:
    return ReadBack(part.log, part.get, "" if part.at is None else str(part.at))


def check_names(names: Iterable[str], where: str) -> None:
    """Raise InputError for a name that is taken or cannot be written in a template."""
    taken = (PORT, MODEL, *PROMPT_KNOBS)
    for name in names:
        if name in taken or not name.isidentifier():
            raise InputError(
                f"{where}.{name}: {name!r} cannot name a knob; expected a word of letters, digits "
                f"and _ that is none of {', '.join(taken)}"
            )


def check_fields(sent: Mapping[str, str], where: str) -> None:
    """Raise InputError for a field of the request that something else sets; `sent` is by knob."""
    counts = Counter(sent.values())
    for name, field in sent.items():
        if field in OWN_FIELDS or counts[field] > 1:
            why = "set by the tuner itself" if field in OWN_FIELDS else "set by two knobs"
            raise InputError(
                f"{where}.{name}: the request field {field!r} is {why}; name another one by field"
            )
