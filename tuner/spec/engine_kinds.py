"""The kinds of engine that are installed, as the entry points `tuner.engines` name them.

Nothing here names one: each comes with its package, ours as those from elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from tuner.spec.engine_section import DEFAULT_MODEL, Declared, EngineSection, Place
from tuner.spec.errors import InputError
from tuner.spec.file.parts import nearest

if TYPE_CHECKING:
    from tuner.spec.study import Study

GROUP = "tuner.engines"

START_S = 1.5
"""Seconds that a plan allows for a start with its read-back, where a kind says nothing else."""


class StudyKind(Protocol):
    """What a study has to know of a kind of engine; `tuner.engines.kind.EngineKind` is the whole.

    `about` follows the name in lists. With `one_start` the server is somebody else's, so that no
    start of it can be asked for.
    """

    @property
    def name(self) -> str:
        """Return the word that a study file names the kind by."""
        ...

    @property
    def about(self) -> str:
        """Return a few words for lists, "" where the name says enough."""
        ...

    @property
    def offered(self) -> bool:
        """Tell whether it is named to users; others are for tests."""
        ...

    @property
    def one_start(self) -> bool:
        """Tell whether all measurements share one start of the server."""
        ...

    @property
    def reloads(self) -> bool:
        """Tell whether a running server can load its model anew, which counts as a start of it."""
        ...

    @property
    def start_s(self) -> float:
        """Return the seconds that a plan allows for a start, until one was measured."""
        ...

    @property
    def section(self) -> type[EngineSection]:
        """Return the keys of the section `engine` for this kind."""
        ...

    def takes(self, model: str) -> bool:
        """Tell whether a model is served by this kind where nobody names one."""
        ...

    def declared(self, section: EngineSection, place: Place) -> Declared:
        """Return what a section declares; raise InputError where its keys do not fit together."""
        ...

    def ensure_usable(self, study: Study) -> None:
        """Raise ValueError where a study lacks what the kind needs."""
        ...

    def in_python(self, settings: Any, python: str) -> Any:
        """Return the settings of a study with the Python that has the engine.

        Raises ValueError where the engine is in none.
        """
        ...

    def next_step(self, failed: str) -> str | None:
        """Return what helps against the reason for which all requests failed, None for nothing."""
        ...


@cache
def engine_kinds() -> Mapping[str, StudyKind]:
    """Return the installed kinds by name, in the order of their names.

    Raises InputError where none is there, or one cannot be loaded.
    """
    found = {point.name: _loaded(point) for point in entry_points(group=GROUP)}
    if not found:
        raise InputError("no engine is installed: install modelfile-tuner again")
    return MappingProxyType(dict(sorted(found.items())))


def _loaded(point: EntryPoint) -> StudyKind:
    try:
        kind: StudyKind = point.load()
    except (ImportError, AttributeError) as broken:
        raise InputError(
            f"the engine {point.name} ({point.value}) cannot be loaded ({broken}); install it "
            "again, or remove its package"
        ) from broken
    if kind.name != point.name:
        raise InputError(
            f"the entry point {point.name!r} of {GROUP} gives an engine that calls itself "
            f"{kind.name!r}; its package has to give both one name"
        )
    return kind


def kind_named(name: str) -> StudyKind:
    """Return a kind by its name; raise InputError with the nearest where there is none."""
    found = engine_kinds().get(name)
    if found is None:
        raise InputError(unknown(name))
    return found


def kind_for(model: str) -> StudyKind | None:
    """Return the kind that serves a model where nobody names one, None where none does."""
    return next((kind for kind in engine_kinds().values() if kind.takes(model)), None)


def default_kind() -> str:
    """Return the kind of a study that names neither kind nor model."""
    found = kind_for(DEFAULT_MODEL)
    return found.name if found else next(iter(engine_kinds()))


def unknown(name: object) -> str:
    """Return a sentence about a kind that is not there, with the nearest one."""
    return f"unknown engine {name!r}; {available()}{nearest(str(name), engine_kinds())}"


def available() -> str:
    """Return which kinds there are, in words."""
    return "available: " + ", ".join(
        f"{kind.name} ({kind.about})" if kind.about else kind.name
        for kind in engine_kinds().values()
        if kind.offered
    )
