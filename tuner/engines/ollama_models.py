"""What a running Ollama knows of its models, asked with the ollama package."""

from __future__ import annotations

import difflib

import httpx
import ollama

from tuner.spec.errors import EngineMissing, InputError


def modelfile_of(name: str, host: str | None = None) -> str:
    """Return the Modelfile text of a model that a server has.

    `host` is its URL, by default what OLLAMA_HOST says. Raises EngineMissing where no Ollama
    answers there, InputError where it has no such model.
    """
    client = ollama.Client(host)
    try:
        return client.show(name).modelfile or ""
    except ollama.ResponseError as refused:
        raise InputError(_unknown(name, client, refused.error)) from refused
    except ValueError as odd:
        raise EngineMissing(
            f"{client._client.base_url} answers, but not as Ollama does: name another with "
            "--attach URL"
        ) from odd
    except (ConnectionError, httpx.HTTPError) as silent:
        raise EngineMissing(
            f"no Ollama answers at {client._client.base_url} ({silent}); start it with `ollama "
            "serve`, or name another with --attach URL"
        ) from silent


def _unknown(name: str, client: ollama.Client, error: str) -> str:
    known = [m.model for m in client.list().models if m.model]
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(known) or 'none'}"
    return f"{name} is no file, and no model of the server ({error}); {hint}"
