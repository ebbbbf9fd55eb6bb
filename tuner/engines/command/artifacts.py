"""A candidate of a server of one's own as the files that put it into service.

`serve.sh` starts the server as it was measured; `client.json` holds what each request carries.
"""

from __future__ import annotations

import shlex
from typing import Any

from tuner.engines.artifacts import (
    CLIENT,
    Evidence,
    Serving,
    client_file,
    client_settings,
    evidence_header,
)
from tuner.engines.command.server import Server, command_line
from tuner.spec.templates import fill
from tuner.spec.values import Candidate

DEFAULT_PORT = 8080
_MARK = "\0port\0"


class _Port(int):
    """The default port in arithmetic; where it is written, a mark that a variable replaces."""

    def __str__(self) -> str:
        return _MARK


def serving_files(
    server: Server, candidate: Candidate, model: str, serving: Serving, evidence: Evidence
) -> dict[str, str]:
    """Return file name -> text: serve.sh, and client.json where requests carry anything.

    Raises InputError for a command that cannot be filled in with the candidate.
    """
    client = _client(server, candidate, model, serving)
    header = evidence_header(evidence, [CLIENT] if client else [])
    files = {"serve.sh": _script(server, candidate, model, header)}
    if client:
        files[CLIENT] = client_file(client)
    return files


def _script(server: Server, candidate: Candidate, model: str, header: tuple[str, ...]) -> str:
    command, env = command_line(server, candidate, _Port(DEFAULT_PORT), model)
    values = {
        "header": header,
        "exports": [(name, _quoted(text)) for name, text in env.items()],
        "command": " ".join(map(_quoted, command)),
    }
    return fill("command/serve.sh.j2", values)


def _quoted(text: str) -> str:
    """Return text as one word of the shell, with the port as a variable."""
    pieces = (shlex.quote(piece) if piece else "" for piece in text.split(_MARK))
    return f'"${{PORT:-{DEFAULT_PORT}}}"'.join(pieces)


def _client(server: Server, candidate: Candidate, model: str, serving: Serving) -> dict[str, Any]:
    found = {
        "model": None if model == "default" else model,
        "request": server.request_fields(candidate),
        "system": serving.system,
        "messages": [{"role": m.role, "content": m.content} for m in serving.shots],
    }
    return {key: said for key, said in found.items() if said} | client_settings(serving)
