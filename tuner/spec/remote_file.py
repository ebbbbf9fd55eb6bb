"""The keys with which a study file says how a running server is reached (`kind: openai`)."""

from __future__ import annotations

import re
import ssl
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from pydantic import Discriminator, Field, StrictBool, StrictStr, Tag, field_validator

from tuner.spec.address import Url, ollama_url, url
from tuner.spec.errors import InputError
from tuner.spec.parts import BRANCHES, Part, shape
from tuner.spec.remote import USUAL_KNOBS, FromEnvironment, Remote
from tuner.spec.server_file import KnobsPart, refuse, request_knobs

OWN_HEADERS = ("host", "content-length", "content-type", "transfer-encoding", "connection")
"""Headers of a request that the tuner itself sets."""

_VARIABLE = r"[A-Za-z_][A-Za-z0-9_]*"
_NAME = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"
_SECRET = re.compile(r"authorization|key|token|secret|cookie|password", re.IGNORECASE)


def _variable(name: str) -> str:
    if not re.fullmatch(_VARIABLE, name):
        raise ValueError("expected the name of a variable of the environment, not the key itself")
    return name


class HeaderPart(Part):
    """A header whose value stands in the environment."""

    env: str

    @field_validator("env")
    @classmethod
    def _is_variable(cls, env: str) -> str:
        return _variable(env)


Header = Annotated[
    Annotated[HeaderPart, Tag(BRANCHES[0])] | Annotated[StrictStr, Tag(BRANCHES[1])],
    Discriminator(shape),
]


class RemotePart(KnobsPart):
    """The keys of the section `engine` that belong to kind openai; kind ollama has url too."""

    url: str | None = None
    api_key_env: str | None = None
    headers: dict[str, Header] = Field(default_factory=dict)
    ca_file: str | None = None
    verify: StrictBool = True
    stream_options: StrictBool = True

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


OPENAI_KEYS = tuple(RemotePart.model_fields.keys() - {"url", *KnobsPart.model_fields})


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


def remote(part: RemotePart, kind: str, file: str) -> Remote | None:
    """Return what a server beside a conversation wants, None for other kinds of engine.

    Raises InputError where the keys do not fit together.
    """
    if kind != "openai":
        refuse(part, OPENAI_KEYS, "openai", kind, file)
        return None
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


def server_url(part: RemotePart, kind: str, folder: Path, file: str) -> Url | None:
    """Return where the running server is, None where none is named; raise InputError."""
    if part.url is None:
        return None
    if kind not in ("openai", "ollama"):
        raise InputError(
            f"{file}: engine.url: belongs to kind openai or ollama, found kind {kind!r}; set "
            "another kind or remove url"
        )
    try:
        found = url(part.url) if kind == "openai" else ollama_url(part.url)
    except ValueError as wrong:
        raise InputError(f"{file}: engine.url: {wrong}") from None
    ca_file = _ca_file(part, found, folder, file)
    return replace(found, address=replace(found.address, ca_file=ca_file, verify=part.verify))


def _ca_file(part: RemotePart, found: Url, folder: Path, file: str) -> str | None:
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
