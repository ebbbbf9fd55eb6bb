"""Cut the text of a Modelfile into instructions, and quote values so that they read back.

Source: `parser/parser.go` of Ollama 0.11.4 and 0.33.3, which differ only in the instructions that
they know. Ollama's documentation does not say this:

- A value ends at the first line break at which its quotes are closed. So a quote inside a
  value matters only at the end of a line, and quotes with text after them are not closed.
- Ollama drops every character that Go's strconv.IsPrint refuses, without a word: controls,
  no-break and ideographic spaces, zero-width joiners. Python's str.isprintable refuses the
  same ones, up to a version of Unicode. Space, tab, CR and LF stay.
- Exactly one space or tab stands between PARAMETER and its name, and MESSAGE and its role.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

from tuner.modelfile import parameters
from tuner.spec.errors import InputError

INSTRUCTIONS = (
    "FROM",
    "ADAPTER",
    "DRAFT",
    "TEMPLATE",
    "SYSTEM",
    "PARAMETER",
    "MESSAGE",
    "LICENSE",
    "RENDERER",
    "PARSER",
    "REQUIRES",
)
ROLES = ("system", "user", "assistant")

_BLANK = " \t\r\n"
_WIDE = (
    "the line holds the character NUL, as a file does that is in UTF-16 without a mark at its "
    "start: save it as UTF-8."
)
_SKIPPED = re.compile(r"(?:[ \t\r\n]|#[^\r\n]*)*")
_COMMENT = re.compile(r"#([^\r\n]*)")
_LINE_BREAK = re.compile(r"\r\n|\r|\n")
_LINE_END = re.compile(r"[\r\n]|\Z")
_LINE = re.compile(r"[^\r\n]*")
_WORD = re.compile(r"[A-Za-z]*")
_DASHED = re.compile(r"[A-Za-z0-9]+(?:-[A-Za-z0-9]+)+")
_NAMED = {"PARAMETER": re.compile(r"[A-Za-z0-9_]*"), "MESSAGE": _WORD}


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction: `name` is a parameter's name or a message's role, else empty.

    `written` is the value as in the file, with its quotes and the characters that Ollama drops.
    """

    word: str
    name: str
    value: str
    line: int
    written: str = ""


def comments(text: str) -> tuple[str, ...]:
    """Return the comments before the first instruction, without `# `."""
    top = _matched(_SKIPPED, text, 0)
    return tuple(c.removeprefix(" ") for c in _COMMENT.findall(top))


def instructions(text: str, file: str) -> Iterator[Instruction]:
    """Yield the instructions of a Modelfile's text.

    Raises InputError, with file and line, where Ollama's parser would stop.
    """
    return (instruction for instruction, _, _ in spans(text, file))


def spans(text: str, file: str) -> Iterator[tuple[Instruction, int, int]]:
    """Yield each instruction with the offsets of its start and its end in the text.

    Raises InputError as `instructions` does.
    """
    at = len(_matched(_SKIPPED, text, 0))
    while at < len(text):
        start = at
        instruction, at = _instruction(text, at, file)
        yield instruction, start, at
        at += len(_matched(_SKIPPED, text, at))


def quoted(value: str, what: str, *, bare: bool = True) -> str:
    """Return the simplest text that Ollama's parser reads back as `value`.

    That is the bare value, else the value in one or three quotes. Raises InputError, naming
    `what`, for a value that not even three quotes can hold.
    """
    forms = (value, f'"{value}"', f'"""{value}"""') if bare and value else (f'"""{value}"""',)
    for form in forms:
        if _value(form + "\n", 0) == (value, len(form)):
            return form
    raise InputError(_unwritable(value, what))


def dropped(text: str) -> tuple[str, ...]:
    """Return the characters of a text that Ollama's parser drops, each once."""
    if text.isprintable():
        return ()
    return tuple(dict.fromkeys(c for c in text if not c.isprintable() and c not in _BLANK))


def named(char: str) -> str:
    """Return a character's code and name, by which people can look it up."""
    return f"U+{ord(char):04X} ({unicodedata.name(char, 'a control or unassigned character')})"


def fail(file: str, line: int, problem: str) -> NoReturn:
    """Raise InputError for a line of a Modelfile."""
    raise InputError(f"{file}:{line}: {problem}")


def _instruction(text: str, at: int, file: str) -> tuple[Instruction, int]:
    """Return the instruction that starts at `at`, and where it ends."""
    line = _line_number(text, at)
    start = at if text[at].isprintable() else at + 1
    word = _matched(_WORD, text, start)
    end = start + len(word)
    if word.upper() not in INSTRUCTIONS or not _gap(text, end):
        fail(file, line, _wrong_instruction(word.upper(), _matched(_LINE, text, at)))
    name, end = _name(text, end + 1, word.upper(), file)
    found = _value(text, end)
    if found is None:
        fail(file, line, _unclosed(text, end, word.upper()))
    written = text[end : found[1]].strip(_BLANK)
    return Instruction(word.upper(), name, found[0], line, written), found[1]


def _name(text: str, at: int, word: str, file: str) -> tuple[str, int]:
    """Return the name between an instruction and its value, and where the value starts."""
    if word not in _NAMED:
        return "", at
    name = _matched(_NAMED[word], text, at)
    end = at + len(name)
    known = name in ROLES if word == "MESSAGE" else name
    if not known or not _gap(text, end):
        fail(file, _line_number(text, at), _wrong_name(word, _matched(_LINE, text, at)))
    return name, end + 1


def _value(text: str, start: int) -> tuple[str, int] | None:
    """Return the value from `start` on and where it ends; None where its quotes stay open."""
    begin, quote = start, ""
    for match in _LINE_END.finditer(text, start):
        line = _undropped(text[begin : match.start()]).strip(_BLANK)
        closed = bool(quote) and line.endswith(quote)
        if begin == start:
            quote = '"""' if line.startswith('"""') else line[:1]
            closed = _unquoted(line) is not None
        if closed:
            return _unquoted(
                _undropped(text[start : match.start()]).strip(_BLANK)
            ) or "", match.start()
        begin = match.end()
    return None


def _unquoted(value: str) -> str | None:
    """Return a trimmed value without its quotes; None where they are not closed."""
    for quote in ('"""', '"'):
        if value.startswith(quote):
            closed = len(value) >= 2 * len(quote) and value.endswith(quote)
            return value[len(quote) : -len(quote)] if closed else None
    return value


def _undropped(text: str) -> str:
    """Return a text without the characters that Ollama's parser drops."""
    if text.isprintable():
        return text
    return "".join(c for c in text if c.isprintable() or c in _BLANK)


def _matched(pattern: re.Pattern[str], text: str, at: int) -> str:
    match = pattern.match(text, at)
    return match.group() if match else ""


def _gap(text: str, at: int) -> bool:
    return text[at : at + 1] in {" ", "\t"}


def _line_number(text: str, at: int) -> int:
    return len(_LINE_BREAK.findall(text, 0, at)) + 1


def _wrong_instruction(word: str, line: str) -> str:
    known = f"a line starts with one of {', '.join(INSTRUCTIONS)}"
    if "\0" in line:
        return _WIDE
    if word in INSTRUCTIONS:
        return _no_value(word, line.lstrip("\ufeff")[len(word) :])
    if parameters.complaint(word.lower(), "1") is None:
        return f"{word} is a parameter, not an instruction: write PARAMETER {line.lower().strip()}."
    near = difflib.get_close_matches(word, INSTRUCTIONS, n=1)
    if near:
        return f"unknown instruction {word}: did you mean {near[0]}? In a Modelfile {known}."
    return (
        f"found {_short(line)}, but in a Modelfile {known}: text over several lines has to stand "
        'in """...""", and a comment starts with #.'
    )


def _no_value(word: str, rest: str) -> str:
    """Return a sentence about what follows an instruction instead of a space and a value."""
    if not rest.strip(_BLANK):
        return f"{word} stands without a value: write `{word} ` and the value on the same line."
    return f"{named(rest[0])} follows {word}: write a space there, then the value."


def _wrong_name(word: str, rest: str) -> str:
    if rest[:1] in {" ", "\t"}:
        return f"Ollama reads exactly one space after {word}: remove the others."
    if "\0" in rest:
        return _WIDE
    if odd := dropped(rest.split(" ")[0]):
        return f"{named(odd[0])} stands between {word}, its name and its value: write a space."
    if word == "MESSAGE":
        return (
            f"found MESSAGE {_short(rest)}, expected a role and a text: write MESSAGE user TEXT, "
            f"with one of the roles {', '.join(ROLES)} in lower case."
        )
    dashed = _matched(_DASHED, rest, 0).replace("-", "_")
    if parameters.complaint(dashed, "1") is None:
        return (
            f"the name of a parameter has no dash: write PARAMETER {dashed}, a space and a value."
        )
    return (
        f"found PARAMETER {_short(rest)}, expected a name and a value with a space between them: "
        "write for example PARAMETER num_ctx 4096."
    )


def _unclosed(text: str, start: int, word: str) -> str:
    """Return a sentence about quotes that are never closed, or closed before the text ends."""
    value = text[start:].lstrip(_BLANK)
    quote = '"""' if value.startswith('"""') else '"'
    again = value.find(quote, len(quote))
    if again < 0:
        return f"the {quote} after {word} is never closed: end the text with {quote}."
    rest = _matched(_LINE, value, again + len(quote))
    return (
        f"the text of {word} goes on after its closing {quote} with {_short(rest)}, so Ollama "
        f"takes it as not closed: end the line after {quote}."
    )


def _unwritable(value: str, what: str) -> str:
    """Return a sentence about the character or line that no Modelfile can hold."""
    lost = dropped(value)
    if not lost:
        return (
            f'A line of the {what} ends in """, which would end the text there when Ollama reads '
            "the Modelfile: change that line."
        )
    return (
        f"The {what} holds {named(lost[0])}, which Ollama drops without a word when it reads a "
        "Modelfile: replace it."
    )


def _short(text: str) -> str:
    shown = text.strip()
    return repr(shown if len(shown) <= 40 else shown[:37] + "...")
