"""Read a template of Go's text/template, the first step: from text to tokens.

Source: `text/template/parse/lex.go` of Go 1.26. Trim markers and comments end with this
step. Only blank, tab, CR and LF are spaces in Go, and each trim marker includes one.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Final, NoReturn

from tuner.spec.errors import InputError

_BLANK: Final = " \t\r\n"
_OPEN = re.compile(r"\{\{(-[ \t\r\n])?(/\*)?")
_COMMENT_END = re.compile(r"\*/((?:[ \t\r\n]-)?\}\})?")
# What may follow a name: anything else is refused, to keep `$x+2` free for arithmetic.
_ENDED = r"(?=[ \t\r\n.,|:()]|\}\}|\Z)"
_TOKEN = re.compile(
    r"(?P<close>(?:[ \t\r\n]-)?\}\})"
    r"|(?P<space>[ \t\r\n]+?(?=[ \t\r\n]-\}\})|[ \t\r\n]+)"
    r"|(?P<declare>:=)|(?P<assign>=)|(?P<pipe>\|)|(?P<open>\()|(?P<shut>\))"
    r'|(?P<string>"(?:[^"\\\n]|\\[^\n])*")'
    r"|(?P<raw>`[^`]*`)"
    r"|(?P<char>'(?:[^'\\\n]|\\[^\n])*')"
    r"|(?P<number>[+-]?\.?[0-9](?:(?<=[eEpP])[+-]|[\w.])*)"
    rf"|(?P<variable>\$\w*{_ENDED})"
    rf"|(?P<field>\.\w+{_ENDED})"
    rf"|(?P<dot>\.{_ENDED})"
    rf"|(?P<word>\w+{_ENDED})"
    r"|(?P<symbol>[!#%&*+,/;<>?@\[\\\]^{}~-])"
)
_OPEN_ENDED: Final = {
    '"': 'the string after " is not closed on its line',
    "`": "the string after ` is never closed",
    "'": "the character after ' is not closed on its line",
    ":": "found a lone :, expected :=",
}


@dataclass(frozen=True, slots=True)
class Token:
    """One token: `at` is its offset in the text; `spaced` tells whether a space precedes it."""

    kind: str
    text: str
    at: int
    spaced: bool = False


def fail(text: str, at: int, problem: str) -> NoReturn:
    """Raise InputError for a place in a template."""
    raise InputError(f"TEMPLATE, line {line_of(text, at)}: {problem}.")


def line_of(text: str, at: int) -> int:
    """Return the line of an offset, counted from 1."""
    return text.count("\n", 0, at) + 1


def lex(text: str) -> Iterator[Token]:
    """Yield the tokens of a template, an `end` token last.

    Raises InputError, with the line, for what Go's lexer refuses.
    """
    at = 0
    while opening := _OPEN.search(text, at):
        trims, comments = opening.groups()
        before = text[at : opening.start()]
        before = before.rstrip(_BLANK) if trims else before
        if before:
            yield Token("text", before, at)
        if comments:
            at = _after_comment(text, opening)
        else:
            yield Token("{{", opening[0], opening.start())
            at = yield from _action(text, opening)
    if at < len(text):
        yield Token("text", text[at:], at)
    yield Token("end", "", len(text))


def _after_comment(text: str, opening: re.Match[str]) -> int:
    """Return the offset after a comment."""
    end = _COMMENT_END.search(text, opening.end())
    if end is None:
        fail(text, opening.start(), "the comment after {{/* is never closed with */}}")
    if end[1] is None:
        fail(text, end.start(), "found more after */ in a comment, expected }}")
    return _after_close(text, end[1], end.end())


def _after_close(text: str, close: str, at: int) -> int:
    """Return the offset after the spaces that a trim marker removes."""
    return len(text) - len(text[at:].lstrip(_BLANK)) if "-" in close else at


def _action(text: str, opening: re.Match[str]) -> Generator[Token, None, int]:
    """Yield the tokens of an action, `}}` included; return the offset after it."""
    at, depth, spaced = opening.end(), 0, False
    while match := _TOKEN.match(text, at):
        kind = match.lastgroup or ""
        depth += (kind == "open") - (kind == "shut")
        if depth < 0 or (depth and kind == "close"):
            fail(text, at, f"found {match[0].strip()}, but the parentheses before it do not match")
        if kind != "space":
            yield Token("}}" if kind == "close" else kind, match[0], at, spaced)
        if kind == "close":
            return _after_close(text, match[0], match.end())
        spaced = kind == "space"
        at = match.end()
    _refuse(text, at, opening.start())


def _refuse(text: str, at: int, start: int) -> NoReturn:
    """Raise InputError for a place in an action where no token starts."""
    if at == len(text):
        fail(text, start, "the action after {{ is never closed with }}")
    problem = _OPEN_ENDED.get(text[at])
    fail(text, at, problem or f"found {text[at : at + 12]!r}, expected a name, a value or }}}}")
