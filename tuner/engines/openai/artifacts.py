"""A candidate of a server that somebody else runs, as the files that ask it as it was measured.

`client.json` holds what each request carries, and `ask_openai.py` is a program that sends it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tuner.engines.artifacts import (
    CLIENT,
    Evidence,
    Serving,
    client_file,
    client_settings,
    evidence_header,
)
from tuner.engines.openai.remote import FromEnvironment
from tuner.load.wire import Request
from tuner.spec.address import Url
from tuner.spec.templates import fill

PROGRAM = "ask_openai.py"


def hosted_files(
    url: Url,
    request: Request,
    headers: Mapping[str, str | FromEnvironment],
    serving: Serving,
    evidence: Evidence,
) -> dict[str, str]:
    """Return file name -> text; `request` is what was measured, without a conversation.

    A value that the environment holds is named by its variable.
    """
    told = {name: _header(value) for name, value in headers.items()}
    client = {
        "url": url.origin + request.path,
        "headers": told,
        **_trust(url),
        **_body(request, serving),
    }
    program = {
        "header": evidence_header(evidence, [CLIENT]),
        "variables": sorted({v["env"] for v in told.values() if isinstance(v, dict)}),
        "dynamic": serving.dynamic_shots is not None,
        "tls": bool(_trust(url)),
    }
    return {CLIENT: client_file(client), PROGRAM: fill("openai/ask_hosted.py.j2", program)}


def _header(value: str | FromEnvironment) -> str | dict[str, str]:
    if isinstance(value, str):
        return value
    return {"env": value.variable, "prefix": value.prefix}


def _trust(url: Url) -> dict[str, Any]:
    """Return whose certificates count, where that is not for the machine to say."""
    if not url.address.verify:
        return {"verify": False}
    return {"ca_file": str(Path(url.address.ca_file).absolute())} if url.address.ca_file else {}


def _body(request: Request, serving: Serving) -> dict[str, Any]:
    """Return the fields of a request, what comes before the user's words, and rules for that."""
    fields = json.loads(request.body)
    del fields["messages"]
    turns = [{"role": m.role, "content": m.content} for m in serving.shots]
    found = {"request": fields, "system": serving.system, "messages": turns}
    rules = {n: v for n, v in client_settings(serving).items() if n != "format"}  # is in fields
    return {key: said for key, said in found.items() if said} | rules
