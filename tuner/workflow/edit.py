"""Write the settings of a result into a Modelfile that somebody keeps by hand."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tuner.render.diff import Change, changes
from tuner.render.edit import edited
from tuner.render.modelfile import load, parse, text_of
from tuner.workflow.apply import read_result
from tuner.workflow.folder import writing


@dataclass(frozen=True, slots=True)
class Edit:
    """A file's new text and what changes in it; `verdict` is that of the result."""

    file: Path
    text: str
    verdict: str
    changes: tuple[Change, ...]


def edit(result: Path, file: Path) -> Edit:
    """Return a Modelfile with the settings of a result; raise InputError for what is neither."""
    folder, document = read_result(result)
    before = text_of(file)
    text = edited(before, load(folder / "Modelfile"), str(file))
    found = changes(parse(before, str(file)), parse(text, str(file)))
    return Edit(file, text, str(document.get("verdict")), tuple(found))


def write(edit: Edit) -> None:
    """Write the file in one step: a reader never sees half of it."""
    partial = edit.file.with_name(f".{edit.file.name}.partial")
    with writing(edit.file):
        partial.write_text(edit.text, encoding="utf-8", newline="")
        partial.replace(edit.file)
