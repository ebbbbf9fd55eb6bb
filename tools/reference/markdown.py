"""What the pages share: the note on their origin, and tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

NOTE = "<!-- Made by `make docs` (tools/reference): change the code, not this page. -->"


def page(title: str, *parts: str) -> str:
    """Return a page of a title and its parts."""
    return "\n\n".join([NOTE, f"# {title}", *parts]) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table; bars in cells are escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def code(value: object) -> str:
    """Return a value as code, booleans as YAML has them."""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
