"""What a shell completes while a command line is typed; nothing slow is imported for it.

Study files and knobs are read off folders and texts, since reading a study as `tune run` does
takes longer than a person waits for a key.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
from click.shell_completion import CompletionItem

_STUDIES = (".yaml", ".yml")
_PARTS = re.compile(r"^(?:baseline|space)[ \t]*:(.*(?:\n(?:[ \t#].*)?)*)", re.MULTILINE)
"""The text of the two parts of a study that name knobs, up to the next key of the whole."""

_INSIDE = re.compile(r"\[[^\[\]]*\]|\{[^{}]*\}|\"[^\"]*\"|'[^']*'|#.*")
_KEY = re.compile(r"(?:^|[{,])[ \t]*([A-Za-z_]\w*)[ \t]*:", re.MULTILINE)


def study_files(
    ctx: click.Context, param: click.Parameter | None, incomplete: str
) -> list[CompletionItem]:
    """Return the study files whose path begins so, or leave it to the shell where there is none."""
    folder, slash, begun = incomplete.rpartition("/")
    try:
        found = sorted(path for path in Path(folder + slash).iterdir() if _is_study(path, begun))
    except OSError:
        found = []
    items = [CompletionItem(f"{folder}{slash}{path.name}") for path in found]
    return items or [CompletionItem(incomplete, type="file")]


def _is_study(path: Path, begun: str) -> bool:
    hidden = path.name.startswith(".") and not begun
    return path.suffix in _STUDIES and path.name.startswith(begun) and not hidden


def engines(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the kinds of engine that are installed, as their entry points are called."""
    from importlib.metadata import entry_points

    found = entry_points(group="tuner.engines")
    names = sorted({e.name for e in found if not e.value.startswith("tuner.testing.")})
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def knobs(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return KNOB= for each knob that the study on the command line names."""
    found = sorted(set(_named_in(_study_text(ctx))))
    return [CompletionItem(f"{name}=") for name in found if name.startswith(incomplete)]


def swept(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return what a word of `tune sweep` may be: KNOB= or a study file."""
    found = knobs(ctx, param, incomplete)
    files = study_files(ctx, param, incomplete)
    return [item for item in files if item.type != "file" or not found] + found


def _study_text(ctx: click.Context) -> str:
    """Return the text of the study that is meant, "" where it cannot be read."""
    words = (*ctx.args, *(ctx.params.get("words") or ()))  # not read by click, or not as a study
    told = ctx.params.get("study_file") or next((w for w in words if w.endswith(_STUDIES)), None)
    try:
        return (Path(told) if told else _usual_study()).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def _usual_study() -> Path:
    from tuner.spec.shipped import PACKAGED_STUDY, studies

    here = Path("tune.yaml")
    return here if here.exists() else studies() / PACKAGED_STUDY


def _named_in(text: str) -> Iterator[str]:
    """Yield the keys right below `baseline` and `space` of a study, in block and in flow style.

    What cannot be read so is left out: a study may be written in more ways than this knows.
    """
    for part in _PARTS.findall(text):
        outside = part.strip()
        flow = outside.startswith("{")
        plain = _without_inner(outside[1:] if flow else part)
        keys = _KEY.findall("{" + plain) if flow else _block_keys(plain)
        yield from keys


def _block_keys(text: str) -> list[str]:
    """Return the keys of the least indented lines of a block."""
    lines = [line for line in text.splitlines() if line.strip()]
    indents = [len(line) - len(line.lstrip()) for line in lines]
    least = min(indents, default=0)
    kept = [line for line, by in zip(lines, indents, strict=True) if by == least]
    return [key[1] for line in kept if (key := _KEY.match(line))]


def _without_inner(text: str) -> str:
    """Return a text without quotes, comments, and what stands in brackets."""
    before = ""
    while before != text:
        before, text = text, _INSIDE.sub("", text)
    return text
