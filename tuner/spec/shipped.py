"""Where the folders lie that ship with the package: templates/ and studies/."""

from __future__ import annotations

from pathlib import Path

from tuner.spec.errors import InputError

PACKAGED_STUDY = "task-api.yaml"
"""The study that is meant where none is named and none lies here."""

_PACKAGE = Path(__file__).resolve().parents[1]


def templates() -> Path:
    """Return the folder of the Jinja templates that artifacts are written with.

    Raises InputError where the installation lacks it.
    """
    return _folder("templates")


def studies() -> Path:
    """Return the folder of the packaged studies.

    Raises InputError where the installation lacks it.
    """
    return _folder("studies")


def _folder(name: str, package: Path = _PACKAGE) -> Path:
    """Prefer the wheel's copy: beside an installed package anything may be called `name`."""
    places = (package / "_shipped" / name, package.parent / name)
    for place in places:
        if place.is_dir():
            return place
    raise InputError(
        f"The folder {name}/ of the tuner is missing (looked for {places[0]} and {places[1]}): "
        "install modelfile-tuner again."
    )
