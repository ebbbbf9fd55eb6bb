"""Write a text so that who reads it takes it as it is: systemd, compose, Kubernetes, YAML."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import yaml


def for_systemd(text: str) -> str:
    """Return a text between the quotes of an assignment (systemd.syntax(7), systemd.unit(5))."""
    return json.dumps(text, ensure_ascii=False)[1:-1].replace("%", "%%")


def systemd_command(words: tuple[str, ...]) -> str:
    """Return words as a command of a unit, of which the first is the program.

    In the others a $ begins a variable (systemd.service(5), "Command lines").
    """
    program, *rest = map(for_systemd, words)
    return " ".join(f'"{word}"' for word in (program, *(w.replace("$", "$$") for w in rest)))


def for_compose(text: str) -> str:
    """Return a text as a value of a compose file, in which a $ begins a variable and $$ is a $.

    Kubernetes does the same to the words of a command and to its environment.
    """
    return for_yaml(text.replace("$", "$$"))


def for_yaml(value: Any) -> str:
    """Return a value as one line of YAML, with quotes around what is a text in every version of it.

    YAML forbids more characters than JSON does, so PyYAML escapes them.
    """
    if isinstance(value, str):
        return _dumped(value, default_style='"')
    if isinstance(value, Mapping):
        pairs = (f"{for_yaml(str(key))}: {for_yaml(inner)}" for key, inner in value.items())
        return f"{{{', '.join(pairs)}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(for_yaml, value))}]"
    return _dumped(value)


def yaml_name(name: str) -> str:
    """Return a name before a colon in YAML, with quotes where it would be something else."""
    return name if _dumped(name) == name else for_yaml(name)


def _dumped(value: Any, default_style: str | None = None) -> str:
    text = yaml.safe_dump(value, default_style=default_style, width=math.inf, allow_unicode=True)
    return text.removesuffix("...\n").removesuffix("\n")
