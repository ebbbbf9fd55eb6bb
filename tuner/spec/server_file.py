"""The keys with which a study file declares a server of one's own (`kind: command`)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import jinja2
from pydantic import BeforeValidator, Field, field_validator, model_validator

from tuner.spec.conversation import PROMPT_KNOBS
from tuner.spec.errors import InputError
from tuner.spec.parts import Duration, Part, Value, nearest
from tuner.spec.server import MODEL, PORT, DeclaredKnob, ReadBack, Server, names_in
from tuner.spec.values import Knob, Setting

OWN_FIELDS = ("messages", "model", "stream", "stream_options", "response_format")
"""Fields of a request that the tuner itself sets."""

_EXAMPLE = '[my-server, --port, "{{ port }}"]'


class ReadPart(Part):
    """Where the running server tells a setting."""

    get: str | None = None
    at: Value | None = None
    log: str | None = None

    @field_validator("get")
    @classmethod
    def _is_path(cls, get: str | None) -> str | None:
        return None if get is None else _path(get)

    @field_validator("log")
    @classmethod
    def _has_a_group(cls, log: str | None) -> str | None:
        try:
            if log is not None and re.compile(log).groups < 1:
                raise ValueError("expected a group, in parentheses, around the value")
        except re.error as broken:
            raise ValueError(f"not a regular expression ({broken})") from None
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

    tier: str
    default: Value | None = None
    field: str | None = None
    read: ReadPart | None = None

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


def _arguments(value: Any) -> Any:
    if not isinstance(value, list | tuple) or not value:
        raise ValueError(f"expected a list of arguments such as {_EXAMPLE}")
    for argument in value:
        if not isinstance(argument, str | int | float):
            raise ValueError(f"expected text in quotes for the argument {argument!r}")
    return value


def _path(value: str) -> str:
    if not value.startswith("/"):
        raise ValueError("expected a path such as /health")
    return value


class KnobsPart(Part):
    """The key of the section `engine` with which a study declares knobs of its own."""

    knobs: dict[str, KnobPart] = Field(default_factory=dict)


class ServerPart(KnobsPart):
    """The keys of the section `engine` that belong to kind command."""

    command: Annotated[tuple[Value, ...], BeforeValidator(_arguments)] = ()
    env: dict[str, Value] = Field(default_factory=dict)
    ready: str = "/health"
    start_timeout: Duration = 120.0

    @field_validator("ready")
    @classmethod
    def _is_path(cls, ready: str) -> str:
        return _path(ready)


def server(
    part: ServerPart, kind: str, baseline: Mapping[str, Setting], file: str
) -> Server | None:
    """Return the server that a study declares, None for other kinds of engine.

    Raises InputError where the keys do not fit together.
    """
    if kind != "command":
        keys = [k for k in ServerPart.model_fields if (kind, k) != ("openai", "knobs")]
        refuse(part, keys, "command", kind, file)
        return None
    where = f"{file}: engine.knobs"
    _check_names(part.knobs, where)
    sent = {n: k.field or n for n, k in part.knobs.items() if k.tier == "request"}
    _check_fields(sent, where)
    declared = Server(
        command=tuple(map(_word, part.command)),
        env={name: _word(value) for name, value in part.env.items()},
        ready=part.ready,
        start_timeout_s=part.start_timeout,
        knobs={name: _knob(name, k, baseline, where) for name, k in part.knobs.items()},
    )
    _check_environment(part.env, file)
    _check_templates(declared, file)
    return declared


def request_knobs(
    part: KnobsPart, usual: Mapping[str, DeclaredKnob], file: str
) -> dict[str, DeclaredKnob]:
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
    defaults = {name: declared.knob.default for name, declared in usual.items()}
    knobs = {**usual, **{n: _knob(n, k, defaults, where) for n, k in part.knobs.items()}}
    _check_names(part.knobs, where)
    _check_fields({name: str(d.request_field) for name, d in knobs.items()}, where)
    return knobs


def refuse(part: Part, keys: Iterable[str], belongs: str, kind: str, file: str) -> None:
    """Raise InputError for a key that another kind of engine would ignore."""
    for key in keys:
        if key in part.model_fields_set:
            raise InputError(
                f"{file}: engine.{key}: belongs to kind {belongs}, found kind {kind!r}; "
                f"set kind: {belongs} or remove {key}"
            )


def _word(value: Setting) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _knob(name: str, part: KnobPart, baseline: Mapping[str, Setting], where: str) -> DeclaredKnob:
    default = baseline.get(name) if part.default is None else part.default
    if default is None:
        raise InputError(
            f"{where}.{name}.default: missing; give the knob a value here or in baseline"
        )
    read = None if part.read is None else _read_back(part.read)
    if part.tier == "request":
        return DeclaredKnob(Knob(name, "request", default, "client"), part.field or name, read)
    return DeclaredKnob(Knob(name, "restart", default, "command"), None, read)


def _read_back(part: ReadPart) -> ReadBack:
    return ReadBack(part.log, part.get, "" if part.at is None else str(part.at))


def _check_names(names: Iterable[str], where: str) -> None:
    """Raise InputError for a name that is taken or cannot be written in a template."""
    taken = (PORT, MODEL, *PROMPT_KNOBS)
    for name in names:
        if name in taken or not name.isidentifier():
            raise InputError(
                f"{where}.{name}: {name!r} cannot name a knob; expected a word of letters, digits "
                f"and _ that is none of {', '.join(taken)}"
            )


def _check_fields(sent: Mapping[str, str], where: str) -> None:
    """Raise InputError for a field of the request that something else sets; `sent` is by knob."""
    counts = Counter(sent.values())
    for name, field in sent.items():
        if field in OWN_FIELDS or counts[field] > 1:
            why = "set by the tuner itself" if field in OWN_FIELDS else "set by two knobs"
            raise InputError(
                f"{where}.{name}: the request field {field!r} is {why}; name another one by field"
            )


def _check_environment(env: Mapping[str, Value], file: str) -> None:
    for name in env:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise InputError(
                f"{file}: engine.env: {name!r} cannot name a variable; expected letters, digits "
                "and _"
            )


def _check_templates(declared: Server, file: str) -> None:
    """Raise InputError for a template that is broken or names what is not there."""
    used: set[str] = set()
    for key, text in declared.templates():
        try:
            names = names_in(text)
        except jinja2.TemplateSyntaxError as broken:
            raise InputError(
                f"{file}: {key}: not a Jinja template ({broken.message}), found {text!r}"
            ) from None
        for name in sorted(names):
            _check_used(name, declared.knobs, f"{file}: {key}")
        used |= names
    for name, d in declared.knobs.items():
        if d.knob.tier == "restart" and name not in used:
            raise InputError(
                f"{file}: engine.knobs.{name}: neither command nor env uses it; write "
                f"{{{{ {name} }}}} there, or give it tier request"
            )


def _check_used(name: str, knobs: Mapping[str, DeclaredKnob], where: str) -> None:
    allowed = [PORT, MODEL, *(n for n, d in knobs.items() if d.knob.tier == "restart")]
    if name in allowed:
        return
    if name in knobs:
        raise InputError(
            f"{where}: {name!r} is a knob of tier request, which no start can follow; give it "
            "tier restart"
        )
    raise InputError(
        f"{where}: unknown name {name!r}; allowed here: {', '.join(allowed)}"
        f"{nearest(name, allowed)}"
    )
