"""Where things lie: for people, and as `tuner.paths/1`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tuner import __version__
from tuner.spec.known_path import KnownPath


def paths_document(found: Sequence[KnownPath]) -> dict[str, Any]:
    """Return the places as JSON."""
    return {
        "schema": "tuner.paths/1",
        "tuner_version": __version__,
        "paths": [
            {
                "name": place.name,
                "path": str(place.path),
                "exists": place.exists,
                "holds": place.holds,
                "variable": place.variable,
                "set_by_variable": place.moved,
            }
            for place in found
        ],
    }


def show_paths(found: Sequence[KnownPath]) -> str:
    """Return two lines for each place, its path alone on one so that it can be copied whole."""
    return "\n".join(f"{_where(place)}\n    {place.holds}; {_set_by(place)}" for place in found)


def _where(place: KnownPath) -> str:
    return f"{place.name}: {place.path}{'' if place.exists else ' (not there)'}"


def _set_by(place: KnownPath) -> str:
    if place.variable is None:
        return "no variable moves it"
    return f"set by {place.variable}" if place.moved else f"{place.variable} moves it (not set)"
