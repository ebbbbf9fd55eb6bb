"""A candidate as the files that start a vLLM server, and what each request carries.

`vllm.yaml` holds the options for vLLM's own `--config`; the others hold the whole command, so that
each stands alone. No file holds a secret.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from types import MappingProxyType

from tuner.engines.artifacts import CLIENT, Evidence, Serving, evidence_header, one_line
from tuner.engines.kind import Contents
from tuner.engines.openai.artifacts import hosted_files
from tuner.engines.openai.remote import FromEnvironment
from tuner.engines.quoting import for_systemd, for_yaml, systemd_command, yaml_name
from tuner.engines.vllm.emitted.containers import compose_file, deployment_file
from tuner.engines.vllm.emitted.secrets import API_KEY, without_secrets
from tuner.engines.vllm.emitted.service import Service
from tuner.engines.vllm.settings.arguments import in_file
from tuner.load.wire import Request
from tuner.spec.address import Address, Url
from tuner.spec.templates import fill

CONFIG, ENVIRONMENT, SCRIPT = "vllm.yaml", "vllm.env", "serve.sh"

CONTENTS: Mapping[str, Contents] = MappingProxyType(
    {
        CONFIG: Contents(("command",), " (for vllm serve --config: {})"),
        ENVIRONMENT: Contents(("environment",), " (the server's environment: {})"),
        SCRIPT: Contents(("command", "environment"), " (starts the server: {})"),
        CLIENT: Contents(("client",), " (only the client can send it: {})"),
    }
)

_LISTENS = ("host", "port")
_ANY = ("0.0.0.0", "::")
"""Where a server listens on all interfaces: no address to ask it at."""

_ALIKE = re.compile(r"(?![\"'\s])[^\\\x00-\x1f\x7f]*(?<!\s)")
"""A value that systemd's EnvironmentFile and docker's --env-file read alike without quotes."""


def artifacts(
    service: Service, request: Request, serving: Serving, evidence: Evidence
) -> dict[str, str]:
    """Return file name -> text; `request` is what was measured, without a conversation.

    Raises InputError for an option that vLLM's own file cannot hold.
    """
    told = without_secrets(service)
    beside = [ENVIRONMENT, CLIENT] if told.env or told.secrets else [CLIENT]
    header = evidence_header(evidence, beside)
    return {
        CONFIG: _config(told, header),
        SCRIPT: _script(told, header),
        **_environment(told, header),
        "vllm.service": _unit(told, header),
        "compose.yaml": compose_file(told, header),
        "deployment.yaml": deployment_file(told, header),
        **_client(told, request, serving, evidence),
    }


def _config(service: Service, header: tuple[str, ...]) -> str:
    held = (in_file(name, value) for name, value in service.options().items())
    options = [(yaml_name(name), for_yaml(value)) for name, value in held]
    values = {
        "header": header,
        "start": one_line(f"{shlex.join(service.program)} --config {CONFIG}"),
        "words": one_line(shlex.join(service.words)),
        "options": [(n, said) for n, said in options if n not in _LISTENS],
        "listens": [(n, said) for n, said in options if n in _LISTENS],
    }
    return fill("vllm/vllm.yaml.j2", values)


def _script(service: Service, header: tuple[str, ...]) -> str:
    """Return a script of a POSIX shell; words after its name are added, and win."""
    exports = [(name, shlex.quote(value)) for name, value in service.env.items()]
    required = [(name, f'"${{{name}:?export it first}}"') for name in service.secrets]
    values = {
        "header": [*header, f"What follows {SCRIPT} wins: sh {SCRIPT} --host 0.0.0.0 --port 8080"],
        "exports": [*exports, *required],
        "command": f'{shlex.join(service.command())} "$@"',
    }
    return fill("command/serve.sh.j2", values)


def _environment(service: Service, header: tuple[str, ...]) -> dict[str, str]:
    """Return the file that systemd's EnvironmentFile and docker's --env-file both read."""
    if not (service.env or service.secrets):
        return {}
    held = [(n, value) for n, value in service.env.items() if _ALIKE.fullmatch(value)]
    odd = [n for n in service.env if n not in dict(held)]
    remarks = [f"{n}: readers of this file differ; its value is in {SCRIPT}" for n in odd]
    remarks += [
        f"{n}: a secret, which is left out; the server needs it too" for n in service.secrets
    ]
    return {
        ENVIRONMENT: fill(
            "variables.env.j2", {"header": header, "remarks": remarks, "settings": held}
        )
    }


def _unit(service: Service, header: tuple[str, ...]) -> str:
    values = {
        "header": header,
        "secrets": service.secrets,
        "settings": [(name, for_systemd(value)) for name, value in service.env.items()],
        "command": systemd_command(tuple(service.command())),
    }
    return fill("vllm/vllm.service.j2", values)


def _client(
    service: Service, request: Request, serving: Serving, evidence: Evidence
) -> dict[str, str]:
    """Return what each request carries, and a program that sends it."""
    headers: Mapping[str, str | FromEnvironment] = (
        {"Authorization": FromEnvironment(API_KEY, "Bearer ")} if API_KEY in service.secrets else {}
    )
    host = "127.0.0.1" if service.host in _ANY else service.host
    url = Url(Address(host, service.port))
    return hosted_files(url, request, headers, serving, evidence)
