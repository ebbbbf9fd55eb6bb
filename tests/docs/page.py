"""A page of the documents as steps: the files that it shows and the commands that it tells.

What a page shows is done in the order in which it stands there, in one empty folder:

- A block with `title="NAME"` becomes the file NAME.
- A `console` block is run, line for line after `$ `; the lines below a command are what it prints,
  with any numbers, and `...` for lines that are left out.
- A `yaml` block without a title is a part of a study, and is checked as one.
- A `text` or `json` block without a title is only shown.

A comment above a block says what differs from that: `<!-- test: exit 3 -->`, or
`<!-- test: not run, REASON -->`. One at the top of the page says what is there already:
`<!-- test: with server -->`, `with ollama MODEL`, `with vllm FOLDER` (the stand-in and a model),
`with embedded` (the real engine), or `with NAME=VALUE`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_REMARK = re.compile(r"<!-- test: (.*?) -->\s*$", re.DOTALL)
_BLOCK = re.compile(
    r"(?P<before>(?:^ *<!-- test: [^\n]*? -->\n\s*)?)"
    r"^(?P<indent> *)```(?P<language>\w+)(?P<info>[^\n]*)\n(?P<text>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)
_TITLE = re.compile(r'title="([^"]+)"')
_WITH = re.compile(r"<!-- test: with (.*?) -->")


@dataclass(frozen=True, slots=True)
class Command:
    """A command line as a page tells it, what it prints there, and how it ends."""

    line: str
    printed: tuple[str, ...]
    exit_code: int | None


@dataclass(frozen=True, slots=True)
class Block:
    """A block of a page; `remark` is what the comment above it says."""

    language: str
    title: str | None
    text: str
    remark: str

    @property
    def not_run(self) -> bool:
        """Tell whether the test leaves it out."""
        return self.remark.startswith("not run")

    def commands(self) -> Iterator[Command]:
        """Yield the commands of a console block."""
        code = self.remark.removeprefix("exit ") if self.remark.startswith("exit ") else None
        for part in re.split(r"^\$ ", self.text, flags=re.MULTILINE)[1:]:
            line, _, printed = part.replace("\\\n", "").partition("\n")
            kept = tuple(p for p in printed.splitlines() if p.strip() not in ("", "..."))
            yield Command(line, kept, int(code) if code else None)


def blocks(text: str) -> list[Block]:
    """Return the blocks of a page."""
    return [_block(found) for found in _BLOCK.finditer(text)]


def given(text: str) -> list[str]:
    """Return what a page says is there before its first step."""
    return _WITH.findall(text)


def pages(root: Path) -> list[Path]:
    """Return the README and every page of the documents that a person wrote."""
    found = sorted((root / "docs").rglob("*.md"))
    return [root / "README.md", *(p for p in found if p.parent.name != "reference")]


def _block(found: re.Match[str]) -> Block:
    remark, title = _REMARK.search(found["before"]), _TITLE.search(found["info"])
    indent = len(found["indent"])
    text = "".join(line[indent:] or "\n" for line in found["text"].splitlines(keepends=True))
    said = remark[1] if remark and not remark[1].startswith("with ") else ""
    return Block(found["language"], title[1] if title else None, text, said)
