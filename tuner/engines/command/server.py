"""A server of one's own as a study declares it: its command line, its knobs, where they show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import PurePath
from typing import Any

import jinja2
import jinja2.meta

from tuner.engines.serving.declared_file import MODEL, PORT
from tuner.spec.errors import InputError
from tuner.spec.knobs import Knob, limited, name_of
from tuner.spec.values import Candidate, Setting

LIMIT_FIELD = "max_tokens"
"""What the OpenAI API calls the most tokens of an answer."""


@dataclass(frozen=True, slots=True)
class Server:
    """How a server is started and watched; `command` and `env` are Jinja templates."""

    command: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    ready: str = "/health"
    start_timeout_s: float = 120.0
    knobs: Mapping[str, Knob] = field(default_factory=dict)

    @property
    def program(self) -> str:
        """Return the name of the program, or of the module that Python runs."""
        if self.command[1:2] == ("-m",) and len(self.command) > 2:
            return self.command[2]
        return PurePath(self.command[0]).name

    @property
    def takes_port(self) -> bool:
        """Tell whether the port is ours to choose."""
        return any(PORT in names_in(text) for _, text in self.templates())

    def templates(self) -> Iterator[tuple[str, str]]:
        """Yield (key in the study file, template) of the command and of its environment."""
        yield from ((f"engine.command.{n}", text) for n, text in enumerate(self.command))
        yield from ((f"engine.env.{name}", text) for name, text in self.env.items())

    def request_fields(
        self, candidate: Candidate, output_tokens: int | None = None
    ) -> dict[str, Setting]:
        """Return what a request carries for the candidate, and for an answer of a given length.

        The length is the limit that the study declares for requests, else the usual field.
        """
        knobs = {name: knob for name, knob in self.knobs.items() if knob.tier == "request"}
        asked = limited(knobs, candidate, output_tokens)
        fields = {knob.key or name: asked[name] for name, knob in knobs.items()}
        if output_tokens is not None and name_of(knobs, "limit") is None:
            fields[LIMIT_FIELD] = output_tokens
        return fields


def command_line(
    server: Server, candidate: Candidate, port: int, model: str
) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return arguments and environment under a candidate; what renders empty is left out.

    Booleans are written as in YAML: true and false. Raises InputError for a template that
    cannot be filled in.
    """
    values = {**candidate, PORT: port, MODEL: model}
    filled = {key: _filled(key, text, values) for key, text in server.templates()}
    arguments = (filled[f"engine.command.{n}"] for n in range(len(server.command)))
    env = {name: filled[f"engine.env.{name}"] for name in server.env}
    return tuple(filter(None, arguments)), {name: text for name, text in env.items() if text}


def names_in(text: str) -> frozenset[str]:
    """Return the names that a template looks up; raise jinja2.TemplateSyntaxError."""
    _template(text)  # knows filters, which parsing alone does not
    environment = _environment()
    found = jinja2.meta.find_undeclared_variables(environment.parse(text))
    return frozenset(found - environment.globals.keys())


def _filled(key: str, text: str, values: Mapping[str, Any]) -> str:
    try:
        return _template(text).render(values)
    except (jinja2.TemplateError, TypeError, ValueError, ArithmeticError) as wrong:
        raise InputError(f"{key}: {text!r} cannot be filled in: {wrong}") from None


@cache
def _template(text: str) -> jinja2.Template:
    return _environment().from_string(text)


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        undefined=jinja2.StrictUndefined, finalize=_as_in_yaml, autoescape=False
    )


def _as_in_yaml(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value
