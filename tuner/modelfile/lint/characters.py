"""Find characters that do not reach Ollama as they stand in the file."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tuner.modelfile.grammar import Instruction, dropped, named
from tuner.modelfile.lint.findings import Draft, Finding, warn

LOST = "\ufffd"
"""What stands for bytes that are no UTF-8, here as in Ollama (`parser/parser.go`, ParseFile)."""

_MARK = "\ufeff"  # says nothing inside a text, and is no loss

_SHOWN = 6
"""Characters that one finding names."""

_JOINED = re.compile(r"""[.!?]\\n|[:;,)>]\\n(?![a-z])|[^\s"'`(]\\n\\n[^\s"'`)]|\\n[-*] """)
"""A \\n between sentences, and none that a text about code quotes, or that begins \\nabla."""


def vanishing(draft: Draft) -> Iterator[Finding]:
    """Warn of characters that Ollama drops without a word, and show what becomes of a text."""
    for i in _read(draft):
        gone = [char for char in dropped(i.written) if char != _MARK]
        if gone:
            what = ", ".join(map(named, gone[:_SHOWN])) + " and others" * (len(gone) > _SHOWN)
            yield warn(i, "dropped", f"Ollama drops {what} from {_what(i)} without a word"
                       f"{_becomes(i.written, gone[0])}: write a plain character, or "
                       "none.")  # fmt: skip


def encoding(draft: Draft) -> Iterator[Finding]:
    """Warn of texts that are not in UTF-8."""
    for i in _read(draft):
        if LOST in i.written:
            yield warn(i, "encoding", f"{_what(i)} holds {named(LOST)} where a character was lost, "
                       "as one that is not UTF-8 is: save the file as UTF-8, and look at the "
                       "text.")  # fmt: skip


def escapes(draft: Draft) -> Iterator[Finding]:
    """Warn of escapes in texts, which Ollama takes literally (`lint.template` has TEMPLATE)."""
    for i in (*draft.all("SYSTEM"), *draft.all("MESSAGE")):
        found = _escape(i)
        if found:
            yield warn(i, "escape", f"{_what(i)} holds {found} as it stands, for Ollama knows no "
                       "escapes: write the text between three quotes, with its line breaks and "
                       "quotes in it.")  # fmt: skip


def _read(draft: Draft) -> Iterator[Instruction]:
    """Yield the instructions that a model or Ollama reads; a LICENSE is only for people."""
    return (i for i in draft.instructions if i.word != "LICENSE")


def _escape(i: Instruction) -> str | None:
    """Return an escape that was meant as such: in a text of one line, or before a quote."""
    quoted = i.written.startswith('"') and not i.written.startswith('"""')
    if (quoted and '\\"' in i.value) or '\\"\\"\\"' in i.value:
        return '\\"'
    on_one_line = not re.search(r"[\r\n]", i.value.strip())
    return "\\n" if on_one_line and _JOINED.search(i.value) else None


def _what(i: Instruction) -> str:
    return f"{i.word} {i.name}".rstrip()


def _becomes(text: str, char: str) -> str:
    """Return a clause that shows what becomes of the first word with a character."""
    found = re.search(rf"[^ \t\r\n]*{re.escape(char)}[^ \t\r\n]*", text.strip('"'))
    word = found.group() if found else ""
    kept = "".join(c for c in word if not dropped(c))
    return f", so {word} becomes {kept}" if kept and len(word) <= 40 else ""
