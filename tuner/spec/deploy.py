"""Where the files of a result serve, as the section `deploy` or the command line says it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuner.spec.address import Url, url

WITHIN_S = 300.0
"""Seconds in which what was reloaded has to answer, where nobody says."""


@dataclass(frozen=True, slots=True)
class Deploy:
    """A folder whose link `current` names the version that serves, and what has it serve.

    `reload` is a command line without a shell. `health` answers GET with 200 as soon as the server
    can be used, at most `within_s` seconds after the command was started.
    """

    folder: Path
    reload: tuple[str, ...]
    health: Url
    within_s: float = WITHIN_S

    def document(self) -> dict[str, Any]:
        """Return it as JSON, for `deploy_of`."""
        return {
            "folder": str(self.folder),
            "reload": list(self.reload),
            "health": str(self.health),
            "within_s": self.within_s,
        }


def deploy_of(document: Any) -> Deploy:
    """Return what `Deploy.document` wrote down; raise ValueError for anything else."""
    try:
        return Deploy(
            Path(document["folder"]),
            words(document["reload"]),
            url(document["health"]),
            float(document["within_s"]),
        )
    except (KeyError, TypeError) as wrong:
        raise ValueError(f"no section `deploy`: {wrong}") from None


def words(value: Any) -> tuple[str, ...]:
    """Return the words of a command: a list of them, or a text that is split as a shell does.

    Raises ValueError.
    """
    if isinstance(value, str):
        try:
            found = shlex.split(value)
        except ValueError as wrong:
            raise ValueError(f"cannot be split into words ({wrong})") from None
    elif isinstance(value, list | tuple):
        found = [_word(word) for word in value]
    else:
        raise ValueError("expected a command: a text, or a list of its words")
    if not found or not found[0]:
        raise ValueError("empty; expected a command, such as systemctl restart my-server")
    return tuple(found)


def _word(word: Any) -> str:
    if isinstance(word, bool) or not isinstance(word, str | int | float):
        raise ValueError("expected a list of words; put quotes around what is meant as text")
    return str(word)
