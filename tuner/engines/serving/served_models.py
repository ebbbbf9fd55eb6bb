"""Which models a server says it serves (GET /models), and whether a name is one of theirs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tuner.spec.file.parts import nearest
from tuner.spec.model_name import whole

_MOST_SHOWN = 20


def listed(body: Any) -> tuple[str, ...]:
    """Return the names in an answer, () where it has another form than servers are known to use.

    That is {"data": [{"id": NAME}]} by OpenAI's API; others send the bare list, or null.
    """
    rows = body.get("data") or body.get("models") if isinstance(body, dict) else body
    if not isinstance(rows, list):
        return ()
    names = (r.get("id") or r.get("name") if isinstance(r, dict) else r for r in rows)
    return tuple(name for name in names if isinstance(name, str) and name)


def is_among(name: str, names: Sequence[str]) -> bool:
    """Tell whether a server with these models takes a name for one of them.

    Where all have a tag it is an Ollama, which fills in what a name leaves out and heeds no case
    (types/model/name.go, ParseName and EqualFold).
    """
    if name in names:
        return True
    return all(":" in n for n in names) and _folded(name) in map(_folded, names)


def _folded(name: str) -> str:
    return whole(name).casefold()


def in_words(name: str, names: Sequence[str]) -> str:
    """Return what a server has, in place of a name that it does not have."""
    more = len(names) - _MOST_SHOWN
    shown = ", ".join(names[:_MOST_SHOWN]) + (f" and {more} more" if more > 0 else "")
    return f"it serves: {shown}{nearest(name, names)}"
