"""What the source of an installed vLLM says of itself: it is parsed, and never imported."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

Number = Literal["integer", "number"]

_FLAGS = ("EngineArgs", "FrontendArgs", "BaseFrontendArgs")
_NUMBERS: Mapping[str, Number] = {"int": "integer", "float": "number"}


@dataclass(frozen=True, slots=True)
class Declared:
    """What the help does not tell: which flags take numbers, and which keys each config has.

    `keys` holds for a class, such as AttentionConfig, its keys, each with the class of its value
    where that is a config too.
    """

    numbers: Mapping[str, Number] = field(default_factory=dict)
    keys: Mapping[str, Mapping[str, str | None]] = field(default_factory=dict)


def declared(*sources: str) -> Declared:
    """Return what the texts of a package's files declare, nothing for texts without classes."""
    classes = {
        node.name: dict(_fields(node))
        for source in sources
        for node in _nodes(source)
        if isinstance(node, ast.ClassDef)
    }
    flags = ((name, kind) for one in _FLAGS for name, kind in classes.get(one, {}).items())
    numbers = {"--" + name.replace("_", "-"): _number(kind) for name, kind in flags}
    configs = {name: held for name, held in classes.items() if name.endswith("Config") and held}
    return Declared(
        {name: number for name, number in numbers.items() if number},
        {
            name: {key: _config(kind, configs) for key, kind in held.items()}
            for name, held in configs.items()
        },
    )


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


def _fields(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    """Yield the fields of a class with their annotations, without those of its own."""
    for line in (line for line in node.body if isinstance(line, ast.AnnAssign)):
        if not (name := ast.unparse(line.target)).startswith("_"):
            yield name, ast.unparse(line.annotation)


def _number(annotation: str) -> Number | None:
    """Return the number that an annotation asks for: `int | None`, `list[int]`, `float`."""
    bare = re.sub(r"(Optional|list|List|set|tuple)\[(.*)\]", r"\2", annotation)
    kinds = {kind.strip() for kind in bare.split("|")} - {"None"}
    return _NUMBERS.get(kinds.pop()) if len(kinds) == 1 else None


def _config(annotation: str, configs: Mapping[str, object]) -> str | None:
    """Return the one config that an annotation asks for: `PassConfig`, `X | None`."""
    kinds = set(re.findall(r"\w+", annotation)) - {"None", "Optional"}
    return kinds.pop() if len(kinds) == 1 and kinds <= set(configs) else None


def _nodes(text: str) -> list[ast.stmt]:
    """Return the statements of a text, none if this Python cannot parse it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of somebody else's code
        try:
            return ast.parse(text).body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return []
