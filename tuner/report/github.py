"""Tell GitHub Actions how a check went: a step's summary, and annotations.

Source: docs.github.com, "Workflow commands for GitHub Actions"; what is escaped, and how, is in
actions/toolkit, packages/core/src/command.ts (escapeData, escapeProperty).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from tuner.evaluate.watched import State

Level = Literal["error", "warning"]

LEVELS: Mapping[State, Level] = {"lost": "error", "undecided": "warning"}
"""What is met needs nobody's eye."""


def on_github(environment: Mapping[str, str]) -> bool:
    """Tell whether a job of GitHub Actions runs."""
    return environment.get("GITHUB_ACTIONS", "").lower() == "true"


def annotation(level: Level, title: str, text: str) -> str:
    """Return the line that makes an annotation of a text."""
    return f"::{level} title={_property(title)}::{_data(text)}"


def append_summary(environment: Mapping[str, str], text: str) -> str | None:
    """Append Markdown to the step's summary where there is one; say why it could not be written.

    A summary that cannot be written changes nothing of what was found.
    """
    told = environment.get("GITHUB_STEP_SUMMARY", "")
    if not told:
        return None
    try:
        with Path(told).open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        return f"the summary in GITHUB_STEP_SUMMARY was not written: {told}: {reason}"
    return None


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
