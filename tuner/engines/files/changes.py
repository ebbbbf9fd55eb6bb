"""What changes between two folders of files that serve, line for line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import SequenceMatcher

from tuner.engines.artifacts import CLIENT
from tuner.modelfile.diff import Change, Cost


def changes(now: Mapping[str, str], coming: Mapping[str, str]) -> tuple[Change, ...]:
    """Return the differences between two folders' texts, file by file in the order of names.

    Only what a server starts from costs a reload; the clients read `client.json` themselves.
    """
    return tuple(
        change
        for name in sorted({*now, *coming})
        for change in _of_file(name, now.get(name), coming.get(name))
    )


def _of_file(name: str, now: str | None, coming: str | None) -> Iterator[Change]:
    cost: Cost = "nothing" if name == CLIENT else "reload"
    if now is None or coming is None:
        yield Change(name, now, coming, cost)
        return
    a, b = now.splitlines(), coming.splitlines()
    for tag, a0, a1, b0, b1 in SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        if tag != "equal":
            yield Change(f"{name}:{b0 + 1}", _lines(a[a0:a1]), _lines(b[b0:b1]), cost)


def _lines(lines: list[str]) -> str | None:
    return "\n".join(lines) or None
