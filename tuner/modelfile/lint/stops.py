"""Find stop texts that cannot match what a model writes.

Each value of `stop` is one literal text. `api/types.go` (FormatParams) collects them, and the
runners look for each one in the answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from tuner.modelfile.lint.findings import Draft, Finding, note, warn

SPECIAL = re.compile(r"<[^<>\s]+>|\[/?[A-Z_]+\]")
"""What tokenizers call their special tokens."""

ESCAPE = re.compile(r'\\n|\\[rt](?![a-z])|\\"|\\u[0-9a-fA-F]{4}|\\x[0-9a-fA-F]{2}')
"""What would be one character in JSON or Python; \\r and \\t also begin commands of LaTeX."""

_CURLY = r"[“”„‟«»\u2018-\u201b]"  # what word processors make of straight quotes
QUOTED = re.compile(rf"""'.*'|["'].*|.*["']|{_CURLY}.*{_CURLY}""", re.DOTALL)

_AND = r"\s*(?:[,;|]|and|or)?\s*"
_APART = re.compile(
    rf"""[^"]+(?:"{_AND}"[^"]+)+|'[^']+'(?:{_AND}'[^']+')+|“[^”]+”(?:{_AND}“[^”]+”)+"""
)
_LIST = re.compile(r"""\[.*["',].*\]""", re.DOTALL)  # [INST] is a token, ["a", "b"] a list
_BRACKETS = re.compile(r"\[(.+)\]")
_COMMENT = re.compile(rf"\S[ \t]+#[ \t].*|(?:{SPECIAL.pattern})[ \t]+(?:#|//).*")
_EACH = "write a line PARAMETER stop for each"


def written(draft: Draft) -> Iterator[Finding]:
    """Warn of stop texts that are not what was meant, each once."""
    for i in draft.stops:
        wrong = next(((rule, why) for rule, says in _CHECKS if (why := says(i.value))), None)
        if wrong:
            yield warn(i, *wrong)


def replaced(draft: Draft) -> Iterator[Finding]:
    """Note that stop texts replace those of the base."""
    given = draft.stops
    if given and draft.gguf is None and not draft.templated:
        yield note(given[0], "stop", "these stop texts replace all of the base's: see them with "
                   "ollama show --parameters, and repeat those that are wanted.")  # fmt: skip


def _empty(text: str) -> str | None:
    if text:
        return None
    return "stop is empty: Ollama 0.11.4 ends each answer at once, 0.33.3 skips it: remove it."


def _comment(text: str) -> str | None:
    if not _COMMENT.search(text):
        return None
    return f"the comment is part of the stop text, {text}: comments have lines of their own."


def _list(text: str) -> str | None:
    """Find lists as JSON writes them, and as Go prints them (old versions saved models so)."""
    inside = _BRACKETS.fullmatch(text)
    pieces = inside[1].split() if inside else []
    printed = all(map(SPECIAL.fullmatch, pieces)) or (
        len(pieces) > 1 and all(re.search(r"\W", piece) for piece in pieces)
    )
    if not _LIST.fullmatch(text) and not (pieces and printed):
        return None
    return f"stop {text} is one text, brackets and all: {_EACH}."


def _several(text: str) -> str | None:
    pieces = re.split(r"[ \t]*[,;][ \t]*|[ \t]+", text)
    bare = len(pieces) > 1 and all(map(SPECIAL.fullmatch, pieces))
    if not bare and not _APART.fullmatch(text):
        return None
    return f"stop {text} is one text, not several: {_EACH}."


def _quotes(text: str) -> str | None:
    if not QUOTED.fullmatch(text):
        return None
    return f'the quotes are part of the value of stop, {text}: Ollama takes off only a pair of ".'


def _escape(text: str) -> str | None:
    found = ESCAPE.search(text)
    if found is None:
        return None
    return (
        f"stop {text} holds {found[0]} as it stands, for Ollama knows no escapes: write the "
        "character itself, between three quotes."
    )


def _space(text: str) -> str | None:
    if not text[-1:].isspace() or not SPECIAL.fullmatch(text.strip()):
        return None
    return f"stop {text!r} wants white space after {text.strip()}: end the text before it."


_CHECKS: Sequence[tuple[str, Callable[[str], str | None]]] = (
    ("blank", _empty),
    ("comment", _comment),
    ("list", _list),
    ("list", _several),
    ("quotes", _quotes),
    ("escape", _escape),
    ("space", _space),
)
