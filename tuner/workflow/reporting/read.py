"""Read the folder of a run, or of a measurement, as a report needs it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuner.spec.errors import InputError
from tuner.store import trial_folder
from tuner.store.run_folder import is_taken
from tuner.store.trial_folder import StoredTrial

DOCUMENTS: Mapping[str, str] = {
    "result.json": "tuner.result/1",
    "capacity.json": "tuner.capacity/1",
    "measurement.json": "tuner.measurement/1",
}
"""The file that says what a folder came to, and its schema."""

NIGHT = ("night.json", "tuner.night/1")


@dataclass(frozen=True, slots=True)
class Kept:
    """What a folder holds: its document, its trials in the order in which they ended.

    `night` says what a night came to, None for the folder of anything else.
    """

    folder: Path
    document: Mapping[str, Any]
    trials: tuple[StoredTrial, ...]
    night: Mapping[str, Any] | None = None


def read(folder: Path) -> Kept:
    """Return what a folder holds; nothing in it is changed.

    Raises InputError where it holds no document of ours, one of another version, or a trial that
    is not as it was written.
    """
    file = next((folder / name for name in DOCUMENTS if (folder / name).is_file()), None)
    if file is None:
        names = ", ".join(DOCUMENTS)
        asked = "expected the folder of a run that has ended, with one of"
        raise InputError(f"{folder}: {asked} {names}{_why_not(folder)}")
    document = _document(file, DOCUMENTS[file.name])
    night = _document(folder / NIGHT[0], NIGHT[1]) if (folder / NIGHT[0]).is_file() else None
    folders = [f for f in (folder / "trials").glob("*") if not f.name.startswith(".")]
    trials = trial_folder.in_order(map(trial_folder.read, folders))
    return Kept(folder, document, tuple(trials), night)


def _why_not(folder: Path) -> str:
    """Say what the folder is instead, "" where that is not known."""
    if not folder.is_dir():
        return ", and there is no such folder"
    if is_taken(folder / ".lock"):
        return "; this one still goes on"
    if (folder / NIGHT[0]).is_file():
        night = _document(folder / NIGHT[0], NIGHT[1])
        return f"; this night had nothing to compare: {night['decision']}, {night['why']}"
    if (folder / "trials").is_dir():
        return "; this one was broken off: `tune run --resume` goes on"
    return ""


def _document(file: Path, schema: str) -> Mapping[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as broken:
        raise InputError(f"{file}: not a document of tune ({broken})") from None
    told = found.get("schema") if isinstance(found, dict) else None
    if told != schema:
        raise InputError(f"{file}: expected schema {schema}, found {told}")
    document: Mapping[str, Any] = found
    return document
