"""Turn a Modelfile into the body of POST /api/create, which makes a model of it.

Source: api/types.go (CreateRequest) and parser/parser.go (CreateRequest of a Modelfile).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tuner.modelfile.document import Modelfile
from tuner.modelfile.parameters import DEPRECATED, KINDS, Kind
from tuner.spec.errors import InputError

_VALUES: Mapping[Kind, Callable[[str], Any]] = {
    "int": int,
    "float": float,
    "bool": lambda text: text.lower() in ("1", "t", "true"),
    "text": str,
}


def create_request(modelfile: Modelfile) -> dict[str, Any]:
    """Return the body of the request, without the name of the new model.

    Raises InputError for a Modelfile that brings files (an adapter, a projector, a draft).
    """
    if modelfile.adapters or modelfile.layers or modelfile.drafts:
        raise InputError(
            "a Modelfile with ADAPTER, DRAFT or several FROM lines brings files of its own: create "
            "it with `ollama create NAME -f FILE` and name that model in FROM"
        )
    fields = {
        "from": modelfile.base,
        "template": modelfile.template,
        "system": modelfile.system,
        "parameters": _parameters(modelfile),
        "messages": [{"role": m.role, "content": m.content} for m in modelfile.messages],
        "license": list(modelfile.licenses),
        "renderer": modelfile.renderer,
        "parser": modelfile.parser,
        "requires": modelfile.requires,
    }
    return {name: value for name, value in fields.items() if value}


def _parameters(modelfile: Modelfile) -> dict[str, Any]:
    """Return typed parameters; `stop` lines form a list, of others the last line counts."""
    found: dict[str, Any] = {}
    for name, text in modelfile.parameters:
        if name == "stop":
            found.setdefault("stop", []).append(text)
        elif name not in DEPRECATED:
            found[name] = _VALUES[KINDS[name]](text)
    return found
