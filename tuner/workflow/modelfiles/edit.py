"""Write the settings of a result into somebody's Modelfile."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuner.modelfile.diff import Change, changes
from tuner.modelfile.document import load, parse, text_of
from tuner.modelfile.edit import edited
from tuner.modelfile.parameters import DEPRECATED
from tuner.spec.errors import InputError
from tuner.store.run_folder import writing
from tuner.workflow.modelfiles.diff import compared
from tuner.workflow.service.proposal import read_result

MODELFILE = "Modelfile"
_NO_MATTER = {"LICENSE", "REQUIRES", *(f"PARAMETER {name}" for name in DEPRECATED)}
"""Instructions whose differences no request notices."""


@dataclass(frozen=True, slots=True)
class Edit:
    """The new text of a file, and what changes in it.

    `verdict` is that of the result. `unlike` is what still differs from the measured Modelfile
    (`a`) to the edited one (`b`).
    """

    file: Path
    text: str
    verdict: str
    changes: tuple[Change, ...]
    unlike: tuple[Change, ...]


def edit(result: Path, file: Path) -> Edit:
    """Return how a result's settings change a Modelfile, without writing it.

    Raises InputError where `result` is no result, or a Modelfile cannot be read.
    """
    folder, document = read_result(result)
    if MODELFILE not in document.get("artifacts", {}):
        raise InputError(f"{folder}: this run wrote no {MODELFILE} whose settings could be taken")
    text, measured = text_of(file), load(folder / MODELFILE)
    new = edited(text, measured, _study(document), str(file))
    before, after = parse(text, str(file)), parse(new, str(file))
    unlike = compared(measured, folder / MODELFILE, after, file)
    return Edit(
        file=file,
        text=new,
        verdict=str(document.get("verdict")),
        changes=tuple(changes(before, after)),
        unlike=tuple(c for c in unlike if c.what not in _NO_MATTER),
    )


def _study(result: Mapping[str, Any]) -> Set[str]:
    """Return the settings that somebody chose: in the study, or on the command line.

    A result has a value for every knob, and nobody chose most of them.
    """
    return {*result.get("set_by_study", ()), *result.get("changed", {})}


def write(edit: Edit) -> None:
    """Write the file in one step: a reader never sees half of it."""
    partial = edit.file.with_name(f".{edit.file.name}.partial")
    with writing(edit.file):
        partial.write_text(edit.text, encoding="utf-8", newline="")
        partial.replace(edit.file)
