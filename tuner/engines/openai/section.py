"""The keys with which a study file says how a running server is reached."""

from __future__ import annotations

import re
import ssl
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    Discriminator,
    Field,
    StrictBool,
    StrictStr,
    Tag,
    field_validator,
    model_validator,
)

from tuner.engines.openai.remote import USUAL_KNOBS, FromEnvironment, Remote
from tuner.engines.serving.declared_file import KnobsPart, request_knobs
from tuner.spec.address import Url, url
from tuner.spec.engine_section import EngineSection
from tuner.spec.errors import InputError
from tuner.spec.file.parts import BRANCHES, Part, shape

OWN_HEADERS = ("host", "content-length", "content-type", "transfer-encoding", "connection")
"""Headers of a request that the tuner itself sets."""

NEEDS_URL = "engine openai is a server that runs: it needs url"

_VARIABLE = r"[A-Za-z_][A-Za-z0-9_]*"
_NAME = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"
_SECRET = re.compile(r"authorization|key|token|secret|cookie|password", re.IGNORECASE)


def _variable(name: str) -> str:
    if not re.fullmatch(_VARIABLE, name):
        raise ValueError("expected the name of a variable of the environment, not the key itself")
    return name


class HeaderPart(Part):
    """A header whose value stands in the environment."""

    env: str = Field(description="The variable of the environment that holds the value.")

    @field_validator("env")
    @classmethod
    def _is_variable(cls, env: str) -> str:
        return _variable(env)


Header = Annotated[
    Annotated[HeaderPart, Tag(BRANCHES[0])] | Annotated[StrictStr, Tag(BRANCHES[1])],
    Discriminator(shape),
]


class OpenAISection(EngineSection, KnobsPart):
    """The section `engine` of kind openai."""

    kind: Literal["openai"] = Field(description="The kind of engine.")
    url: str | None = Field(
        None,
        description="Where the running server is: http://HOST:PORT, with the path that comes "
        "before /chat/completions where that is not /v1.",
    )
    api_key_env: str | None = Field(
        None, description="The variable of the environment that holds the API key."
    )
    headers: dict[str, Header] = Field(
        default_factory=dict,
        description="Headers of every request: NAME: text, or NAME: {env: VARIABLE}.",
    )
    ca_file: str | None = Field(
        None, description="PEM file with the certificates that are trusted for an https url."
    )
    verify: StrictBool = Field(
        True, description="false: any certificate is taken, and the result says so."
    )
    stream_options: StrictBool = Field(
        True, description="false: not sent, for servers that refuse this field."
    )

    @model_validator(mode="after")
    def _has_url(self) -> OpenAISection:
        if not self.url:
            raise ValueError(NEEDS_URL)
        return self

    @field_validator("api_key_env")
    @classmethod
    def _is_variable(cls, api_key_env: str | None) -> str | None:
        return None if api_key_env is None else _variable(api_key_env)

    @field_validator("headers")
    @classmethod
    def _can_be_sent(cls, headers: dict[str, HeaderPart | str]) -> dict[str, HeaderPart | str]:
        names = [name.lower() for name in headers]
        for name, value in headers.items():
            _check_header(name, value)
            if names.count(name.lower()) > 1:
                raise ValueError(f"{name} is there twice; the case of letters does not matter")
        return headers


def _check_header(name: str, value: HeaderPart | str) -> None:
    """Raise ValueError for a header that cannot be sent, or whose value belongs in no file."""
    if not re.fullmatch(_NAME, name):
        raise ValueError(f"{name!r} cannot name a header; expected a name such as X-Org")
    if name.lower() in OWN_HEADERS:
        raise ValueError(f"{name} is set by the tuner itself")
    if not isinstance(value, str):
        return
    if _SECRET.search(name):
        raise ValueError(
            f"{name}: a key belongs in no file; put it into the environment and write "
            f"{name}: {{env: VARIABLE}}"
        )
    if not value.isprintable() or not value.isascii():
        raise ValueError(f"{name}: expected one line of ASCII")


def remote(part: OpenAISection, file: str) -> Remote:
    """Return what a server wants beside a conversation.

    Raises InputError where the keys do not fit together.
    """
    headers: dict[str, str | FromEnvironment] = {
        name: value if isinstance(value, str) else FromEnvironment(value.env)
        for name, value in part.headers.items()
    }
    if part.api_key_env is not None:
        if any(name.lower() == "authorization" for name in headers):
            raise InputError(
                f"{file}: engine.api_key_env: headers has Authorization as well; keep one of them"
            )
        headers["Authorization"] = FromEnvironment(part.api_key_env, "Bearer ")
    return Remote(headers, part.stream_options, request_knobs(part, USUAL_KNOBS, file))


def server_url(part: OpenAISection, folder: Path, file: str) -> Url:
    """Return where the running server is; raise InputError."""
    try:
        found = url(str(part.url))
    except ValueError as wrong:
        raise InputError(f"{file}: engine.url: {wrong}") from None
    ca_file = _ca_file(part, found, folder, file)
    return replace(found, address=replace(found.address, ca_file=ca_file, verify=part.verify))


def _ca_file(part: OpenAISection, found: Url, folder: Path, file: str) -> str | None:
    """Return the file of trusted certificates, None for the machine's own; raise InputError."""
    for key in ("ca_file", "verify"):
        if key in part.model_fields_set and not found.address.secure:
            raise InputError(f"{file}: engine.{key}: needs an https url, found {str(found)!r}")
    if part.ca_file is None:
        return None
    path = folder / part.ca_file
    try:
        ssl.create_default_context(cafile=path)
    except (OSError, ValueError) as wrong:
        raise InputError(
            f"{file}: engine.ca_file: no certificates in PEM form in {path} ({wrong})"
        ) from None
    return str(path)
