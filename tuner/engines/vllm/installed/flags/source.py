"""What the source of an installed vLLM says of itself: it is parsed, and never imported."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator, Mapping
from typing import Literal

Number = Literal["integer", "number"]

_CLASSES = ("EngineArgs", "FrontendArgs", "BaseFrontendArgs")
_NUMBERS: Mapping[str, Number] = {"int": "integer", "float": "number"}


def declared_numbers(*sources: str) -> dict[str, Number]:
    """Return which flags take numbers, from the texts of the files that declare them.

    The help tells no type of a flag without a default; the fields of the classes that hold the
    flags do. Empty for texts that cannot be parsed or have no such class.
    """
    found = (
        (node.target.id, _number(ast.unparse(node.annotation)))
        for source in sources
        for node in _fields(source)
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    )
    return {"--" + field.replace("_", "-"): number for field, number in found if number}


def known_variables(envs: str) -> frozenset[str] | None:
    """Return the variables that are read, from the text of `vllm/envs.py`; None if unknown."""
    for node in _nodes(envs):
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Dict):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            if isinstance(target, ast.Name) and target.id == "environment_variables":
                return frozenset(
                    key.value
                    for key in node.value.keys
                    if isinstance(key, ast.Constant) and isinstance(key.value, str)
                )
    return None


def _number(annotation: str) -> Number | None:
    """Return the number that an annotation asks for: `int | None`, `list[int]`, `float`."""
    bare = re.sub(r"(Optional|list|List|set|tuple)\[(.*)\]", r"\2", annotation)
    kinds = {kind.strip() for kind in bare.split("|")} - {"None"}
    return _NUMBERS.get(kinds.pop()) if len(kinds) == 1 else None


def _fields(text: str) -> Iterator[ast.stmt]:
    for node in _nodes(text):
        if isinstance(node, ast.ClassDef) and node.name in _CLASSES:
            yield from node.body


def _nodes(text: str) -> list[ast.stmt]:
    """Return the statements of a text, none if this Python cannot parse it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of somebody else's code
        try:
            return ast.parse(text).body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return []
