"""The keys with which a study file declares a server of one's own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import jinja2
from pydantic import BeforeValidator, Field, field_validator, model_validator

from tuner.engines.command.server import Server, names_in
from tuner.engines.serving.declared_file import (
    MODEL,
    PORT,
    KnobsPart,
    check_fields,
    check_names,
    declared_knob,
    path,
)
from tuner.spec.engine_section import EngineSection
from tuner.spec.errors import InputError
from tuner.spec.file.parts import Duration, Word, nearest
from tuner.spec.knobs import Knob
from tuner.spec.values import Setting

_EXAMPLE = '[my-server, --port, "{{ port }}"]'

NEEDS_COMMAND = (
    "engine command starts a server of your own: it needs engine.command in the study file, a "
    'list such as [my-server, --port, "{{ port }}"]'
)


def _arguments(value: Any) -> Any:
    if not isinstance(value, list | tuple) or not value:
        raise ValueError(f"expected a list of arguments such as {_EXAMPLE}")
    for argument in value:
        if not isinstance(argument, str | int | float):
            raise ValueError(f"expected text in quotes for the argument {argument!r}")
    return value


class CommandSection(EngineSection, KnobsPart):
    """The section `engine` of kind command."""

    kind: Literal["command"] = Field(description="The kind of engine.")
    command: Annotated[tuple[Word, ...], BeforeValidator(_arguments)] = Field(
        (),
        description="The command line of the server: a list of Jinja templates of port, model and "
        "the knobs.",
    )
    env: dict[str, Word] = Field(
        default_factory=dict, description="Environment of the command, Jinja templates too."
    )
    ready: str = Field(
        "/health",
        description="Path that answers GET with 200 as soon as the server can be used.",
    )
    start_timeout: Duration = Field(120.0, description="Time that a start may take.")

    @field_validator("ready")
    @classmethod
    def _is_path(cls, ready: str) -> str:
        return path(ready)

    @model_validator(mode="after")
    def _has_command(self) -> CommandSection:
        if not self.command:
            raise ValueError(NEEDS_COMMAND)
        return self


def server(part: CommandSection, baseline: Mapping[str, Setting], file: str) -> Server:
    """Return the server that a study declares; raise InputError for keys that do not fit."""
    where = f"{file}: engine.knobs"
    check_names(part.knobs, where)
    sent = {n: k.field or n for n, k in part.knobs.items() if k.tier == "request"}
    check_fields(sent, where)
    declared = Server(
        command=tuple(map(_word, part.command)),
        env={name: _word(value) for name, value in part.env.items()},
        ready=part.ready,
        start_timeout_s=part.start_timeout,
        knobs={name: declared_knob(name, k, baseline, where) for name, k in part.knobs.items()},
    )
    _check_environment(part.env, file)
    _check_templates(declared, file)
    return declared


def _word(value: Setting) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _check_environment(env: Mapping[str, Setting], file: str) -> None:
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
        if d.tier == "restart" and name not in used:
            raise InputError(
                f"{file}: engine.knobs.{name}: neither command nor env uses it; write "
                f"{{{{ {name} }}}} there, or give it tier request"
            )


def _check_used(name: str, knobs: Mapping[str, Knob], where: str) -> None:
    allowed = [PORT, MODEL, *(n for n, d in knobs.items() if d.tier == "restart")]
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
