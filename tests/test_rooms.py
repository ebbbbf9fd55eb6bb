"""The rooms above the engines know kinds of engine by their contract, and none by its name."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tuner.engines.registry import kinds

PACKAGE = Path(__file__).parents[1] / "tuner"
ROOMS = (
    "spec", "cli", "workflow", "report", "search", "evaluate", "store", "guard", "load", "stats",
    "machine", "telling", "advice",
)  # fmt: skip
"""`modelfile` is not one of them: a Modelfile is Ollama's format."""

WORDS = {"command"}
"""Names of kinds that are words as well: click calls its functions so, a knob's place is one."""

SPEAKS_OLLAMA = {
    "spec/address.py": "how an address in OLLAMA_HOST is read",
}
"""Files that read or write a format of Ollama's, whatever engine serves, and which."""


def named(tree: ast.AST, names: set[str]) -> Iterator[str]:
    """Yield where a literal is the name of a kind, or an identifier holds one."""
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.Constant) and node.value in names:
            yield f"{line}: {node.value!r}"
        said = (getattr(node, field, None) for field in ("id", "attr", "name", "arg", "module"))
        for identifier in said:
            if isinstance(identifier, str) and any(n in identifier.lower() for n in names):
                yield f"{line}: {identifier}"


def files() -> dict[str, Path]:
    """Return the files of the rooms, by their paths."""
    found = (path for room in ROOMS for path in (PACKAGE / room).rglob("*.py"))
    return {path.relative_to(PACKAGE).as_posix(): path for path in found}


def names_in(path: Path) -> list[str]:
    """Return where a file names a kind that is installed."""
    names = {kind.name for kind in kinds()} - WORDS
    return list(named(ast.parse(path.read_text()), names))


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_names_no_engine(room: str) -> None:
    """Neither in a literal nor in an identifier; what a text says to people may name products."""
    allowed = SPEAKS_OLLAMA
    found = {
        name: where
        for name, path in files().items()
        if name.startswith(f"{room}/") and name not in allowed and (where := names_in(path))
    }

    assert found == {}


def test_exceptions_are_needed() -> None:
    """What no longer names a kind is taken off the lists."""
    there = files()
    needless = [n for n in SPEAKS_OLLAMA if n not in there or not names_in(there[n])]

    assert needless == []


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('x = "ollama"', 1),
        ("def of_ollama(): ...", 1),
        ("from tuner.engines.ollama import store", 1),
        ("x.is_vllm", 1),
        ("f(openai=1)", 1),
        ('"""Ollama serves it."""', 0),
        ('x = "a model of Ollama"', 0),
    ],
)
def test_what_counts_as_naming(text: str, names: int) -> None:
    """A name as a value or in an identifier, not a product in a sentence."""
    assert len(list(named(ast.parse(text), {"ollama", "vllm", "openai"}))) == names
